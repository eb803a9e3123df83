//! Name and password of an endpoint's URL, for whoever asks for them: basic and digest authentication (RFC 7617, RFC 7616).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use md5::{Digest as _, Md5};

/// A random text for one answer.
pub(super) fn client_nonce() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// The value of `Authorization` for what was asked; for basic authentication if nothing was. Nothing if only what is not known here
/// was asked for.
pub(super) fn answer(
    headers: &HeaderMap,
    user: (&str, &str),
    uri: &str,
    client_nonce: &str,
) -> Option<String> {
    let asked: Vec<&str> = headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let schemes: Vec<(&str, &str)> = asked
        .iter()
        .map(|text| text.trim().split_once(' ').unwrap_or((text.trim(), "")))
        .collect();
    // Digest does not give the password away. Of several, the first that is known.
    let digest = schemes
        .iter()
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest"))
        .find_map(|(_, parameters)| digest(parameters, user, uri, client_nonce));
    let may_be_basic = schemes.is_empty()
        || schemes
            .iter()
            .any(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    digest.or_else(|| may_be_basic.then(|| basic(user)))
}

fn basic((name, password): (&str, &str)) -> String {
    let pair = BASE64_STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {pair}")
}

fn digest(
    parameters: &str,
    (name, password): (&str, &str),
    uri: &str,
    client_nonce: &str,
) -> Option<String> {
    let parameters = split(parameters);
    let get = |name: &str| {
        let found = parameters
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let (realm, nonce) = (get("realm").unwrap_or(""), get("nonce")?);
    let hash: fn(&str) -> String = match get("algorithm") {
        None => md5,
        Some(text) if text.eq_ignore_ascii_case("md5") => md5,
        Some(text) if text.eq_ignore_ascii_case("sha-256") => sha256,
        // Session variants are hardly used.
        Some(_) => return None,
    };
    let of_user = hash(&format!("{name}:{realm}:{password}"));
    let of_request = hash(&format!("POST:{uri}"));
    const COUNT: &str = "00000001";
    let qop = match get("qop") {
        None => None,
        Some(list) if list.split(',').any(|qop| qop.trim() == "auth") => Some("auth"),
        Some(_) => return None,
    };
    let response = match qop {
        None => hash(&format!("{of_user}:{nonce}:{of_request}")),
        Some(qop) => hash(&format!(
            "{of_user}:{nonce}:{COUNT}:{client_nonce}:{qop}:{of_request}"
        )),
    };
    let mut text = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
        quoted(name),
        quoted(realm),
        quoted(nonce),
        quoted(uri),
    );
    if let Some(algorithm) = get("algorithm") {
        text += &format!(", algorithm={algorithm}");
    }
    if let Some(qop) = qop {
        text += &format!(", qop={qop}, nc={COUNT}, cnonce=\"{client_nonce}\"");
    }
    if let Some(opaque) = get("opaque") {
        text += &format!(", opaque={}", quoted(opaque));
    }
    Some(text)
}

fn md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

fn sha256(text: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `a=b, c="d, e"` in names and values.
fn split(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ',']).to_owned();
        let mut value = String::new();
        let mut characters = after.chars();
        if after.starts_with('"') {
            characters.next();
            while let Some(c) = characters.next() {
                match c {
                    '"' => break,
                    '\\' => value.extend(characters.next()),
                    c => value.push(c),
                }
            }
        } else {
            let end = after.find(',').unwrap_or(after.len());
            after[..end].trim().clone_into(&mut value);
            characters = after[end..].chars();
        }
        pairs.push((name, value));
        rest = characters.as_str();
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        headers
    }

    fn answered(values: &[&str]) -> Option<String> {
        answer(
            &asked(values),
            ("Mufasa", "Circle of Life"),
            "/dir",
            "0a4f113b",
        )
    }

    #[test]
    fn basic_is_answered_to_basic_and_to_nothing() {
        let expected = Some("Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl".to_owned());
        assert_eq!(answered(&["Basic realm=\"x\""]), expected);
        assert_eq!(answered(&["basic"]), expected);
        assert_eq!(answered(&[]), expected);
        assert_eq!(answered(&["Negotiate"]), None);
    }

    /// The responses were computed by another implementation, Python's hashlib.
    #[test]
    fn digests_are_computed() {
        let md5 = answered(&[
            "Basic realm=\"x\"",
            "Digest realm=\"r, \\\"s\\\"\", qop=\"auth, auth-int\", nonce=\"n\", opaque=\"o\"",
        ]);
        let response = "5809d20bbed97819ce2cd9270446d344";
        assert_eq!(
            md5.unwrap(),
            format!(
                "Digest username=\"Mufasa\", realm=\"r, \\\"s\\\"\", nonce=\"n\", uri=\"/dir\", response=\"{response}\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", opaque=\"o\""
            )
        );
        let sha = answered(&["Digest realm=r, nonce=n, algorithm=SHA-256"]).unwrap();
        assert!(
            sha.contains("algorithm=SHA-256") && !sha.contains("qop"),
            "{sha}"
        );
        let response = "d5b9b13e79237eedff398c5339072117f938294c7603bbdb1bdede17dc6b5ed5";
        assert!(sha.contains(&format!("response=\"{response}\"")), "{sha}");
        assert_eq!(
            answered(&["Digest realm=r, nonce=n, algorithm=MD5-sess"]),
            None
        );
        assert_eq!(answered(&["Digest realm=r, nonce=n, qop=auth-int"]), None);
        assert_eq!(answered(&["Digest realm=r"]), None);
    }

    #[test]
    fn known_hashes() {
        assert_eq!(super::md5(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert!(sha256("").starts_with("e3b0c44298fc1c14"));
    }
}
