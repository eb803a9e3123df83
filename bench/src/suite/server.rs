//! The processes that the suite measures: nodes of Levada, the reference and ferrokinesis, each on a free port with
//! its directory and its log under the suite's. Dropping one kills it.

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::{CallError, Connection};

/// A node that takes longer than this to be ready is not waited for.
const READY_TIMEOUT: Duration = Duration::from_secs(180);

/// How often a starting server is asked whether it is ready: the grain of the start figures.
const READY_POLL: Duration = Duration::from_millis(5);

/// A paused server accepts connections and never answers.
const READY_CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a node may take to end when it is asked to.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Where Levada and the reference say that they are ready.
const READY_PATH: &str = "/health/ready";

/// How many lines of its log a server that failed is quoted with.
const LOG_LINES_QUOTED: usize = 15;

/// One process.
pub(crate) struct Server {
    /// `host:port` of its HTTP.
    pub(crate) http: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    ready_path: &'static str,
    log: PathBuf,
    child: Child,
    started: Instant,
}

impl Server {
    /// The reference, from this very binary.
    pub(crate) async fn reference(directory: &Path) -> Result<Self, String> {
        let http = free_address()?;
        let program = std::env::current_exe().map_err(|error| format!("this binary: {error}"))?;
        let arguments = ["reference", "--listen", &http].map(str::to_owned).to_vec();
        let log = directory.join("reference.log");
        let mut server = Self::spawn(http, program, arguments, Vec::new(), log)?;
        server.ready().await?;
        Ok(server)
    }

    /// Ferrokinesis, which keeps everything in memory: without logs, and with streams that are there at once. Its port is
    /// all that it lets one choose of where it listens.
    pub(crate) async fn ferrokinesis(program: &Path, directory: &Path) -> Result<Self, String> {
        let http = free_address()?;
        let port = http.rsplit(':').next().unwrap_or_default();
        let options = [
            ("--port", port),
            ("--log-level", "off"),
            ("--shard-limit", "1000"),
            ("--create-stream-ms", "0"),
            ("--delete-stream-ms", "0"),
        ];
        let arguments = options.iter().flat_map(|(name, value)| [*name, *value]);
        let arguments = arguments.map(str::to_owned).collect();
        let log = directory.join("ferrokinesis.log");
        let program = program.to_path_buf();
        let mut server = Self::spawn(http.clone(), program, arguments, Vec::new(), log)?;
        server.ready_path = "/_health/ready";
        server.ready().await?;
        Ok(server)
    }

    /// A single durable node on an empty directory; not yet ready.
    pub(crate) fn node(binary: &Path, directory: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
        let http = free_address()?;
        let environment = vec![
            (
                "LEVADA_DATA_DIR".to_owned(),
                directory.join("data").display().to_string(),
            ),
            ("LEVADA_HTTP_LISTEN".to_owned(), http.clone()),
        ];
        let (program, log) = (binary.to_path_buf(), directory.join("log"));
        Self::spawn(http, program, vec!["serve".to_owned()], environment, log)
    }

    /// Three nodes of a new cluster; not yet ready.
    pub(crate) fn cluster(binary: &Path, directory: &Path) -> Result<Vec<Self>, String> {
        let peers = [free_address()?, free_address()?, free_address()?];
        let mut nodes = Vec::new();
        for (index, peer) in peers.iter().enumerate() {
            let home = directory.join(format!("n{}", index + 1));
            std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
            let http = free_address()?;
            let config = home.join("node.toml");
            let text = configuration(&home.join("data"), &http, peer, &peers);
            std::fs::write(&config, text).map_err(|error| error.to_string())?;
            let arguments = vec![
                "serve".into(),
                "--config".into(),
                config.display().to_string(),
            ];
            let program = binary.to_path_buf();
            nodes.push(Self::spawn(
                http,
                program,
                arguments,
                Vec::new(),
                home.join("log"),
            )?);
        }
        Ok(nodes)
    }

    fn spawn(
        http: String,
        program: PathBuf,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        log: PathBuf,
    ) -> Result<Self, String> {
        let started = Instant::now();
        let child = launch(&program, &arguments, &environment, &log)?;
        Ok(Self {
            http,
            program,
            arguments,
            environment,
            ready_path: READY_PATH,
            log,
            child,
            started,
        })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server says that it is ready; the time since it was started.
    pub(crate) async fn ready(&mut self) -> Result<Duration, String> {
        let path = self.ready_path;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.http);
        while self.started.elapsed() < READY_TIMEOUT {
            let call = async {
                Connection::open(&self.http)
                    .await?
                    .call(request.as_bytes())
                    .await
                    .map(|_| ())
            };
            match tokio::time::timeout(READY_CALL_TIMEOUT, call).await {
                Ok(Ok(())) => return Ok(self.started.elapsed()),
                Ok(Err(CallError::Malformed(what))) => {
                    return Err(format!("{path}: {what}"));
                }
                Ok(Err(_)) | Err(_) => {}
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!(
                    "{} ended ({status}):\n{}",
                    self.program.display(),
                    self.quote()
                ));
            }
            tokio::time::sleep(READY_POLL).await;
        }
        Err(format!(
            "{} was not ready in {READY_TIMEOUT:?}:\n{}",
            self.program.display(),
            self.quote()
        ))
    }

    /// kill -9, and the process is gone when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        self.signal("TERM")?;
        let asked = Instant::now();
        while asked.elapsed() < STOP_TIMEOUT {
            if let Ok(Some(_)) = self.child.try_wait() {
                return Ok(());
            }
            tokio::time::sleep(READY_POLL).await;
        }
        Err(format!(
            "{} did not end in {STOP_TIMEOUT:?}",
            self.program.display()
        ))
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<(), String> {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("kill -s {name}: {other:?}")),
        }
    }

    /// Starts it again with the same directory and ports, after a kill.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.started = Instant::now();
        self.child = launch(&self.program, &self.arguments, &self.environment, &self.log)?;
        Ok(())
    }

    fn quote(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_QUOTED)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(
    program: &Path,
    arguments: &[String],
    environment: &[(String, String)],
    log: &Path,
) -> Result<Child, String> {
    let file = File::options().create(true).append(true).open(log);
    let file = file.map_err(|error| format!("{}: {error}", log.display()))?;
    let errors = file.try_clone().map_err(|error| error.to_string())?;
    Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))
}

/// A port that was free a moment ago.
fn free_address() -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener
        .local_addr()
        .map(|address| address.to_string())
        .map_err(|error| error.to_string())
}

fn configuration(data: &Path, http: &str, peer: &str, peers: &[String]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail; and a path, as a literal string of TOML, needs no escapes.
    writeln!(text, "data_dir = '{}'", data.display()).ok();
    writeln!(text, "[http]\nlisten = \"{http}\"").ok();
    writeln!(text, "[peers]\nlisten = \"{peer}\"\nmembers = {peers:?}").ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_names_every_member() {
        let peers = ["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
        let text = configuration(Path::new("d/data"), "127.0.0.1:9", &peers[0], &peers);
        assert_eq!(
            text,
            "data_dir = 'd/data'\n[http]\nlisten = \"127.0.0.1:9\"\n[peers]\nlisten = \
             \"127.0.0.1:1\"\nmembers = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n"
        );
    }

    #[tokio::test]
    async fn a_server_that_ends_is_reported_with_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let arguments = vec!["-c".to_owned(), "echo no such option; exit 3".to_owned()];
        let log = directory.path().join("log");
        let shell = PathBuf::from("/bin/sh");
        let address = free_address().unwrap();
        let mut server = Server::spawn(address, shell, arguments, Vec::new(), log).unwrap();
        let reason = server.ready().await.unwrap_err();
        assert!(
            reason.contains("exit status: 3") && reason.contains("no such option"),
            "{reason}"
        );
    }
}
