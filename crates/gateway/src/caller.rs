//! Who calls, for which region, and by which host. Signatures are read here and not yet verified.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Uri, header};
use levada_types::{AccountId, QueueArn, QueueName, Region};
use levada_wire::{AwsError, sigv4};

use crate::front::GatewayOptions;

/// What queue URLs begin with when a client says no host (HTTP/1.0).
const HOST_UNSAID: &str = "localhost:4566";

/// The caller of one request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The account: that of a 12-digit access key, else the default one.
    pub(crate) account: AccountId,
    /// From the signature's scope, else the default one.
    pub(crate) region: Region,
    /// Whether the request says who it comes from; a link that somebody follows does not.
    pub(crate) is_signed: bool,
    host: Option<HeaderValue>,
    is_tls: bool,
    /// Where the connection comes from; the node itself comes from nowhere.
    address: Option<IpAddr>,
}

impl Caller {
    /// The caller of a request with this head.
    pub(crate) fn of(
        uri: &Uri,
        headers: &HeaderMap,
        options: &GatewayOptions,
        is_tls: bool,
        address: IpAddr,
    ) -> Result<Self, AwsError> {
        let signature = sigv4::parse(uri, headers)?;
        let is_signed = signature.is_some();
        let account = signature
            .as_ref()
            .map(|s| s.account(options.default_account));
        let region = signature.and_then(|s| s.region.parse().ok());
        // HTTP/2 carries the host in the URI.
        let authority = || {
            uri.authority()
                .and_then(|a| HeaderValue::from_str(a.as_str()).ok())
        };
        Ok(Self {
            account: account.unwrap_or(options.default_account),
            region: region.unwrap_or_else(|| options.default_region.clone()),
            is_signed,
            host: headers.get(header::HOST).cloned().or_else(authority),
            is_tls,
            address: Some(address),
        })
    }

    /// The node itself, which does as clients do where its configuration says so.
    pub(crate) const fn internal(account: AccountId, region: Region) -> Self {
        Self {
            account,
            region,
            is_signed: true,
            host: None,
            is_tls: false,
            address: None,
        }
    }

    /// The scheme and host that this caller's queue URLs begin with: those that it came by.
    pub(crate) fn base_url(&self, options: &GatewayOptions) -> String {
        if let Some(url) = &options.public_url {
            return url.clone();
        }
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", host.unwrap_or(HOST_UNSAID))
    }

    /// `SenderId` of this caller's messages, and its `UserId`. AWS gives the account for its root user,
    /// and there are no other users yet.
    pub(crate) fn user_id(&self) -> String {
        self.account.to_string()
    }

    /// The ARN that policies know it by: that of its account's root.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{}:root", self.account)
    }

    /// Whether it came by TLS.
    pub(crate) const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Where it calls from, as far as that is known: IPv4 as such, whatever socket it came by.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address.map(|address| address.to_canonical())
    }

    /// The ARN of a queue of this caller's.
    pub(crate) fn queue_arn(&self, name: QueueName) -> QueueArn {
        QueueArn {
            region: self.region.clone(),
            account: self.account,
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> GatewayOptions {
        GatewayOptions {
            default_account: AccountId::DEFAULT,
            default_region: Region::us_east_1(),
            public_url: None,
            deleted_name_wait_ms: 0,
            admin_callers: crate::operate::AdminCallers::default(),
            kinesis_limits: false,
            topics: crate::sns::TopicOptions::default(),
        }
    }

    fn caller(credential: Option<&str>, host: Option<&str>) -> Caller {
        let mut headers = HeaderMap::new();
        if let Some(credential) = credential {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential={credential}/20260101/eu-west-3/sqs/aws4_request, SignedHeaders=host, Signature=00"
            );
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        let address = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]);
        Caller::of(&"/".parse().unwrap(), &headers, &options(), false, address).unwrap()
    }

    #[test]
    fn twelve_digits_are_the_account() {
        let own = caller(Some("123456789012"), None);
        assert_eq!(
            (own.user_id().as_str(), own.region.as_str()),
            ("123456789012", "eu-west-3")
        );
        assert_eq!(caller(Some("AKIAEXAMPLE"), None).user_id(), "000000000000");
        let unsigned = caller(None, None);
        assert_eq!(
            (unsigned.account, unsigned.region.as_str()),
            (AccountId::DEFAULT, "us-east-1")
        );
    }

    #[test]
    fn an_ipv4_address_is_one_on_any_socket() {
        let address = caller(None, None).address();
        assert_eq!(address, Some(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn urls_begin_with_the_callers_host_unless_one_is_set() {
        let caller = caller(None, Some("queues:4566"));
        assert_eq!(caller.base_url(&options()), "http://queues:4566");
        let by_tls = Caller {
            is_tls: true,
            ..caller.clone()
        };
        assert_eq!(by_tls.base_url(&options()), "https://queues:4566");
        let public = GatewayOptions {
            public_url: Some("https://q.example".into()),
            ..options()
        };
        assert_eq!(caller.base_url(&public), "https://q.example");
    }
}
