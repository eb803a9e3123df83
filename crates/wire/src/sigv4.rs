//! AWS Signature Version 4, read but not verified: who says they are calling, and for which region and
//! service.
//!
//! From the `Authorization` header, or from a presigned URL's query.

use http::{HeaderMap, Uri, header};
use levada_types::AccountId;

use crate::error::AwsError;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A signature and what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The access key's id.
    pub access_key: String,
    /// The scope's day, `YYYYMMDD`.
    pub date: String,
    /// The scope's region.
    pub region: String,
    /// The scope's service, such as `sqs`.
    pub service: String,
    /// The headers that were signed, small letters, in order.
    pub signed_headers: Vec<String>,
    /// Hexadecimal.
    pub signature: String,
    /// Whether it came in the query of a presigned URL.
    pub presigned: bool,
}

impl Signature {
    /// The caller's account: an access key of 12 digits is one itself, and any other key belongs to
    /// `default`.
    pub fn account(&self, default: AccountId) -> AccountId {
        self.access_key.parse().unwrap_or(default)
    }
}

/// The request's signature; `None` if it has none.
pub fn parse(uri: &Uri, headers: &HeaderMap) -> Result<Option<Signature>, AwsError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return parse_header(value.to_str().unwrap_or("")).map(Some);
    }
    match uri.query() {
        Some(query) if query.contains("X-Amz-Signature=") => parse_query(query).map(Some),
        _ => Ok(None),
    }
}

fn parse_header(value: &str) -> Result<Signature, AwsError> {
    let Some(rest) = value.strip_prefix(ALGORITHM) else {
        let message = format!("Unsupported authorization type or algorithm, expected {ALGORITHM}.");
        return Err(AwsError::incomplete_signature(message));
    };
    let mut credential = None;
    let mut signed_headers = None;
    let mut signature = None;
    for part in rest.split(',') {
        match part.trim().split_once('=') {
            Some(("Credential", v)) => credential = Some(v),
            Some(("SignedHeaders", v)) => signed_headers = Some(v),
            Some(("Signature", v)) => signature = Some(v),
            _ => {}
        }
    }
    let mut missing = String::new();
    for (name, part) in [
        ("Credential", credential),
        ("Signature", signature),
        ("SignedHeaders", signed_headers),
    ] {
        if part.is_none_or(str::is_empty) {
            missing.push_str(&format!(
                "Authorization header requires '{name}' parameter. "
            ));
        }
    }
    match (credential, signed_headers, signature) {
        (Some(credential), Some(signed_headers), Some(signature)) if missing.is_empty() => {
            assemble(credential, signed_headers, signature, false)
        }
        _ => Err(AwsError::incomplete_signature(
            missing + "Authorization=" + ALGORITHM,
        )),
    }
}

fn parse_query(query: &str) -> Result<Signature, AwsError> {
    let (mut algorithm, mut credential, mut signed_headers, mut signature) =
        (None, None, None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "X-Amz-Algorithm" => algorithm = Some(value),
            "X-Amz-Credential" => credential = Some(value),
            "X-Amz-SignedHeaders" => signed_headers = Some(value),
            "X-Amz-Signature" => signature = Some(value),
            _ => {}
        }
    }
    if algorithm.as_deref() != Some(ALGORITHM) {
        let message =
            format!("AWS query-string parameters must include 'X-Amz-Algorithm' of {ALGORITHM}.");
        return Err(AwsError::incomplete_signature(message));
    }
    let required = |part: Option<std::borrow::Cow<'_, str>>, name: &str| {
        part.filter(|p| !p.is_empty())
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| {
                AwsError::incomplete_signature(format!(
                    "AWS query-string parameters must include '{name}'."
                ))
            })
    };
    let credential = required(credential, "X-Amz-Credential")?;
    let signed_headers = required(signed_headers, "X-Amz-SignedHeaders")?;
    let signature = required(signature, "X-Amz-Signature")?;
    assemble(&credential, &signed_headers, &signature, true)
}

fn assemble(
    credential: &str,
    signed_headers: &str,
    signature: &str,
    presigned: bool,
) -> Result<Signature, AwsError> {
    // The key may hold slashes, in theory; the scope behind it never does.
    let mut parts = credential.rsplitn(5, '/');
    let scope = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    );
    let (Some("aws4_request"), Some(service), Some(region), Some(date), Some(access_key)) = scope
    else {
        let message = format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        );
        return Err(AwsError::incomplete_signature(message));
    };
    if [service, region, date, access_key]
        .iter()
        .any(|part| part.is_empty())
    {
        let message = format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        );
        return Err(AwsError::incomplete_signature(message));
    }
    Ok(Signature {
        access_key: access_key.to_owned(),
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
        signature: signature.to_owned(),
        presigned,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn from_header(value: &str) -> Result<Option<Signature>, AwsError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        parse(&Uri::from_static("/"), &headers)
    }

    fn from_query(query: &str) -> Result<Option<Signature>, AwsError> {
        parse(&format!("/?{query}").parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn a_header_is_read() {
        // As boto3 writes it, and as others do: without spaces, and in another order.
        for value in [
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260823/eu-west-3/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260823/eu-west-3/sqs/aws4_request,SignedHeaders=content-type;host;x-amz-date,Signature=5d672d79",
            "AWS4-HMAC-SHA256 SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79, Credential=AKIDEXAMPLE/20260823/eu-west-3/sqs/aws4_request",
        ] {
            let expected = Signature {
                access_key: "AKIDEXAMPLE".into(),
                date: "20260823".into(),
                region: "eu-west-3".into(),
                service: "sqs".into(),
                signed_headers: vec!["content-type".into(), "host".into(), "x-amz-date".into()],
                signature: "5d672d79".into(),
                presigned: false,
            };
            assert_eq!(from_header(value).unwrap(), Some(expected));
        }
    }

    #[test]
    fn a_presigned_url_is_read() {
        let signature = from_query(
            "Action=ListQueues&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=000000000042%2F20260823%2Fus-east-1%2Fsqs%2Faws4_request&X-Amz-Date=20260823T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=ab",
        )
        .unwrap()
        .unwrap();
        assert!(signature.presigned);
        assert_eq!(
            (&*signature.region, &*signature.signature),
            ("us-east-1", "ab")
        );
        assert_eq!(
            signature.account(AccountId::DEFAULT),
            "000000000042".parse().unwrap()
        );
    }

    #[test]
    fn a_key_that_is_no_account_belongs_to_the_default() {
        let default = "000000000007".parse().unwrap();
        for (key, account) in [
            ("AKIDEXAMPLE", "000000000007"),
            ("123456789012", "123456789012"),
            ("12345678901", "000000000007"),
            ("a/b/c", "000000000007"),
        ] {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential={key}/20260823/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
            );
            let signature = from_header(&value).unwrap().unwrap();
            assert_eq!(signature.access_key, key);
            assert_eq!(signature.account(default).to_string(), account);
        }
    }

    #[test]
    fn no_signature_is_none() {
        assert_eq!(
            parse(&Uri::from_static("/"), &HeaderMap::new()).unwrap(),
            None
        );
        assert_eq!(from_query("Action=ListQueues").unwrap(), None);
    }

    #[test]
    fn a_signature_that_lacks_a_part_is_refused() {
        let scope = "20260823/us-east-1/sqs/aws4_request";
        for (value, part) in [
            ("Basic dXNlcg==".to_owned(), "AWS4-HMAC-SHA256"),
            ("AWS4-HMAC-SHA256".to_owned(), "'Credential'"),
            (format!("AWS4-HMAC-SHA256 Credential=A/{scope}, SignedHeaders=host"), "'Signature'"),
            (format!("AWS4-HMAC-SHA256 Credential=A/{scope}, Signature=0"), "'SignedHeaders'"),
            ("AWS4-HMAC-SHA256 Credential=A, SignedHeaders=host, Signature=0".to_owned(), "5 slash-delimited"),
            (
                format!("AWS4-HMAC-SHA256 Credential=/{scope}, SignedHeaders=host, Signature=0"),
                "5 slash-delimited",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=A/20260823/us-east-1/sqs/other, SignedHeaders=host, Signature=0".to_owned(),
                "5 slash-delimited",
            ),
        ] {
            let error = from_header(&value).unwrap_err();
            assert_eq!((error.query_code, error.status), ("IncompleteSignature", 400));
            assert!(error.message.contains(part), "{value}: {}", error.message);
        }
        for query in [
            "X-Amz-Signature=ab",
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab",
        ] {
            assert_eq!(
                from_query(query).unwrap_err().query_code,
                "IncompleteSignature"
            );
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(value in "[ -~]{0,120}", rest in "[ -~]{0,120}") {
            let _ = from_header(&value);
            let _ = from_header(&format!("AWS4-HMAC-SHA256 {value}, Credential={rest}"));
        }
    }
}
