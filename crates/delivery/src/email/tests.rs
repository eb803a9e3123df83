//! Mails to a server that stands in for the operator's, with and without TLS, and one that refuses.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::report::Verdict;
use crate::stand_in::{Identity, Speaks};

/// What the server is like.
#[derive(Clone, Default)]
struct Manner {
    tls: Option<TlsAcceptor>,
    /// TLS from the first byte, rather than by STARTTLS.
    is_wrapped: bool,
    /// What is said to a recipient, instead of a welcome.
    refuses: Option<&'static str>,
    /// The name and the password that it wants.
    wants: Option<&'static str>,
    hangs: bool,
}

/// A mail that came: the recipient, and what was said after DATA.
type Mails = Arc<Mutex<Vec<(String, String)>>>;

struct MailServer {
    port: u16,
    mails: Mails,
    _task: AbortOnDropHandle<()>,
}

impl MailServer {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = Mails::default();
        let kept = Arc::clone(&mails);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (manner, mails) = (manner.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    let _ = serve(stream, manner, mails).await;
                });
            }
        });
        Self {
            port,
            mails,
            _task: AbortOnDropHandle::new(task),
        }
    }

    fn mails(&self) -> Vec<(String, String)> {
        self.mails.lock().unwrap().clone()
    }
}

async fn serve(stream: tokio::net::TcpStream, manner: Manner, mails: Mails) -> std::io::Result<()> {
    match &manner.tls {
        Some(tls) if manner.is_wrapped => {
            let stream = tls.accept(stream).await?;
            talk(stream, true, false, &manner, &mails).await.map(drop)
        }
        _ => {
            let Some(stream) = talk(stream, true, manner.tls.is_some(), &manner, &mails).await?
            else {
                return Ok(());
            };
            let Some(tls) = &manner.tls else {
                return Ok(());
            };
            let stream = tls.accept(stream).await?;
            talk(stream, false, false, &manner, &mails).await.map(drop)
        }
    }
}

/// Talks SMTP to the end, or to where TLS is to begin: then the stream comes back.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    greets: bool,
    offers_tls: bool,
    manner: &Manner,
    mails: &Mails,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if manner.hangs {
        std::future::pending::<()>().await;
    }
    if greets {
        stream.write_all(b"220 stand-in\r\n").await?;
    }
    let mut recipient = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        let answer = match line.split([' ', ':']).next().unwrap_or("") {
            "EHLO" if offers_tls => "250-stand-in\r\n250 STARTTLS".to_owned(),
            "EHLO" => "250-stand-in\r\n250-8BITMIME\r\n250 AUTH PLAIN".to_owned(),
            "STARTTLS" => {
                stream.write_all(b"220 go\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            "AUTH" => {
                let proof = line.rsplit(' ').next().unwrap_or("");
                let proof = BASE64_STANDARD.decode(proof).unwrap();
                match manner
                    .wants
                    .is_some_and(|wanted| wanted.as_bytes() == proof)
                {
                    true => "235 welcome".to_owned(),
                    false => "535 wrong".to_owned(),
                }
            }
            "RCPT" => {
                recipient = line.to_owned();
                manner.refuses.unwrap_or("250 ok").to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut text).await?;
                }
                mails.lock().unwrap().push((recipient.clone(), text));
                "250 queued as 7".to_owned()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(None);
            }
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

fn settings(port: u16) -> MailSettings {
    MailSettings {
        host: "localhost".to_owned(),
        port,
        security: MailSecurity::None,
        credentials: None,
        from: "no-reply@example.com".to_owned(),
        roots: Roots::Only(Vec::new()),
        attempt_time: Some(Duration::from_secs(10)),
    }
}

fn mail() -> Mail {
    Mail::notification(
        "ann@example.org",
        Some("Orders\r\nBcc: eve@example.net"),
        None,
        "Grüße\n.\nlast",
        "https://broker/?Action=Unsubscribe&SubscriptionArn=arn",
    )
}

async fn send(settings: &MailSettings, mail: &Mail) -> Report {
    let mailer = Mailer::new(settings, Sockets::default()).unwrap();
    mailer.send(mail, Standing::Healthy).await
}

#[tokio::test]
async fn a_mail_has_subject_text_and_footer_and_no_header_of_a_strangers() {
    let server = MailServer::start(Manner::default()).await;
    let report = send(&settings(server.port), &mail()).await;
    assert_eq!(report, Report::delivered(Some(250), "queued as 7"));
    let mails = server.mails();
    let (recipient, text) = &mails[0];
    assert_eq!(recipient, "RCPT TO:<ann@example.org>");
    let (headers, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(headers.contains("Subject: AWS Notification Message\r\n"));
    assert!(!headers.contains("\nBcc"), "{headers}");
    let body: String = body.trim_end_matches(".\r\n").split("\r\n").collect();
    let body = String::from_utf8(BASE64_STANDARD.decode(body).unwrap()).unwrap();
    assert_eq!(body, mail().text);
    assert!(body.starts_with("Grüße\n.\nlast\n"));
    assert!(body.contains("\nhttps://broker/?Action=Unsubscribe&SubscriptionArn=arn\n"));

    // A line of one dot ends no mail.
    let plain = Mail {
        text: "one\n.\ntwo".to_owned(),
        ..mail()
    };
    let report = send(&settings(server.port), &plain).await;
    assert_eq!(report.verdict, Verdict::Delivered);
    let (_, text) = &server.mails()[1];
    assert!(text.ends_with("\r\none\r\n..\r\ntwo\r\n.\r\n"), "{text}");
}

#[test]
fn confirmations_have_the_link_and_json_is_left_alone() {
    let confirmation = Mail::confirmation("a@b.c", None, "arn:t", "https://broker/?Token=1");
    assert!(confirmation.text.contains("arn:t\n"));
    assert!(confirmation.text.contains("\nhttps://broker/?Token=1\n"));
    assert_eq!(confirmation.subject, CONFIRMATION_SUBJECT);
    let json = Mail::json("a@b.c", None, Some("s"), "{\n}");
    assert_eq!((&*json.text, &*json.subject), ("{\n}", "s"));
}

#[tokio::test]
async fn tls_is_as_set_and_certificates_are_checked() {
    let (ours, theirs) = (Identity::new(), Identity::new());
    for (security, is_wrapped) in [(MailSecurity::StartTls, false), (MailSecurity::Tls, true)] {
        let manner = Manner {
            tls: Some(ours.acceptor(Speaks::Http1, None)),
            is_wrapped,
            wants: Some("\0ann\0secret"),
            ..Manner::default()
        };
        let server = MailServer::start(manner).await;
        let trusting = |identity: &Identity| MailSettings {
            security,
            credentials: Some(("ann".to_owned(), "secret".to_owned())),
            roots: Roots::Only(vec![identity.certificate.clone()]),
            ..settings(server.port)
        };
        let report = send(&trusting(&theirs), &mail()).await;
        assert_eq!(report.verdict, Verdict::Retry, "{report:?}");
        let report = send(&trusting(&ours), &mail()).await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
        let wrong = MailSettings {
            credentials: Some(("ann".to_owned(), "wrong".to_owned())),
            ..trusting(&ours)
        };
        // The operator mends it; the message is not to blame.
        let report = send(&wrong, &mail()).await;
        assert_eq!((report.verdict, report.status), (Verdict::Retry, Some(535)));
        assert_eq!(server.mails().len(), 1);
    }
    // A server that cannot speak TLS gets no mail in plain text.
    let server = MailServer::start(Manner::default()).await;
    let strict = MailSettings {
        security: MailSecurity::StartTls,
        ..settings(server.port)
    };
    let report = send(&strict, &mail()).await;
    assert_eq!(report.verdict, Verdict::Retry, "{report:?}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn refusals_are_for_good_or_for_now() {
    for (refuses, verdict) in [
        ("550 no such user", Verdict::Never),
        ("552 too much", Verdict::Never),
        ("450 busy", Verdict::Retry),
        ("421 shutting down", Verdict::Retry),
    ] {
        let server = MailServer::start(Manner {
            refuses: Some(refuses),
            ..Manner::default()
        })
        .await;
        let report = send(&settings(server.port), &mail()).await;
        assert_eq!(report.verdict, verdict, "{report:?}");
        assert_eq!(report.status, refuses[..3].parse().ok());
    }
    let no_address = Mail {
        to: "nobody".to_owned(),
        ..mail()
    };
    assert_eq!(
        send(&settings(1), &no_address).await.verdict,
        Verdict::Never
    );
}

#[tokio::test]
async fn a_server_that_hangs_or_is_not_there_is_tried_again() {
    let server = MailServer::start(Manner {
        hangs: true,
        ..Manner::default()
    })
    .await;
    let hasty = MailSettings {
        attempt_time: Some(Duration::from_millis(300)),
        ..settings(server.port)
    };
    assert_eq!(send(&hasty, &mail()).await.verdict, Verdict::Retry);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert_eq!(send(&settings(port), &mail()).await.verdict, Verdict::Retry);
}
