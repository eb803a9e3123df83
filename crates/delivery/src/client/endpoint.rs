//! A URL that requests go to, taken apart.

use std::fmt;

use http::Uri;
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// A text that is no URL to send to.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a URL of http or https with a host")]
pub struct BadUrl;

/// A URL of `http` or `https`.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    is_tls: bool,
    host: String,
    port: u16,
    path_and_query: String,
    user: Option<(String, String)>,
}

/// Without the user's name and password: it is written to logs.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_user())
    }
}

impl Endpoint {
    /// Takes a URL apart.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        // A fragment is the client's own affair.
        let url = url.split('#').next().unwrap_or(url);
        let uri: Uri = url.parse().map_err(|_| BadUrl)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadUrl),
        };
        let authority = uri.authority().ok_or(BadUrl)?;
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(BadUrl);
        }
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (decoded(name), decoded(password))
        });
        let default_port = if is_tls { 443 } else { 80 };
        Ok(Self {
            is_tls,
            host,
            port: authority.port_u16().unwrap_or(default_port),
            path_and_query: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            user,
        })
    }

    /// The same host with another path, which begins with a slash.
    #[must_use]
    pub fn with_path(&self, path_and_query: impl Into<String>) -> Self {
        Self {
            path_and_query: path_and_query.into(),
            ..self.clone()
        }
    }

    /// Whether it is `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The host, in small letters; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as a request line has them.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// Name and password, if it has them.
    pub fn user(&self) -> Option<(&str, &str)> {
        let (name, password) = self.user.as_ref()?;
        Some((name, password))
    }

    /// Host and port as `Host` has them: no port where it is the scheme's.
    pub fn authority(&self) -> String {
        let default_port = if self.is_tls { 443 } else { 80 };
        if self.port == default_port {
            return self.host.clone();
        }
        format!("{}:{}", self.host, self.port)
    }

    /// The URL without name and password.
    pub fn without_user(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path_and_query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let plain = Endpoint::parse("http://Example.com").unwrap();
        assert_eq!(plain.without_user(), "http://example.com/");
        assert_eq!((plain.port(), plain.is_tls()), (80, false));
        let full = Endpoint::parse("https://ann:p%40ss:x@h.example:8443/a/b?c=d#e").unwrap();
        assert_eq!(full.user(), Some(("ann", "p@ss:x")));
        assert_eq!(full.authority(), "h.example:8443");
        assert_eq!(full.path_and_query(), "/a/b?c=d");
        assert_eq!(format!("{full:?}"), "https://h.example:8443/a/b?c=d");
        let v6 = Endpoint::parse("http://[::1]:80/").unwrap();
        assert_eq!((v6.host(), v6.authority()), ("[::1]", "[::1]".to_owned()));
        assert_eq!(
            full.with_path("/x").without_user(),
            "https://h.example:8443/x"
        );
        for bad in [
            "",
            "/a",
            "ftp://h/",
            "http://",
            "http:///a",
            "h:80",
            "http://a b/",
        ] {
            assert_eq!(Endpoint::parse(bad), Err(BadUrl), "{bad}");
        }
    }
}
