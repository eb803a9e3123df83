//! Queue URLs: `http://host/<account>/<name>`, and every form in which clients give them back.

use levada_types::{AccountId, QueueName};

use super::{SqsError, SqsErrorKind};

/// The URL of a queue below `base`, which is a scheme and a host, with or without a slash at its end.
pub fn build(base: &str, account: AccountId, name: &QueueName) -> String {
    format!("{}/{account}/{name}", base.trim_end_matches('/'))
}

/// The queue of a URL `http://host/<account>/<name>`, a path `/<account>/<name>`, or
/// `<account>/<name>`. The host is not looked at: a cluster has many.
pub fn parse(url: &str) -> Result<(AccountId, QueueName), SqsError> {
    let path = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        Some(_) => return Err(invalid_address(url)),
        None => url.strip_prefix('/').unwrap_or(url),
    };
    let (account, name) = path.split_once('/').ok_or_else(|| invalid_address(url))?;
    let account = account.parse().map_err(|_| invalid_address(url))?;
    if name.contains('/') {
        return Err(invalid_address(url));
    }
    // A name that no queue can have is a queue that does not exist.
    let name = name.parse().map_err(|_| SqsError::queue_does_not_exist())?;
    Ok((account, name))
}

/// The name of a queue that stands where its URL should, as old scripts write it and AWS takes it: one
/// of the caller's own.
pub fn bare_name(url: &str) -> Option<QueueName> {
    url.parse().ok()
}

/// What `url` names is not here.
pub fn invalid_address(url: &str) -> SqsError {
    SqsError::new(
        SqsErrorKind::InvalidAddress,
        format!("The address {url} is not valid for this endpoint."),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_names_the_queue() {
        let account: AccountId = "000000000042".parse().unwrap();
        let name: QueueName = "orders.fifo".parse().unwrap();
        for base in ["http://localhost:4566", "https://sqs.example.com/"] {
            assert_eq!(
                parse(&build(base, account, &name)).unwrap(),
                (account, name.clone())
            );
        }
        assert_eq!(
            build("http://h:1/", account, &name),
            "http://h:1/000000000042/orders.fifo"
        );
        for form in [
            "/000000000042/orders.fifo",
            "000000000042/orders.fifo",
            "https://h/000000000042/orders.fifo",
        ] {
            assert_eq!(parse(form).unwrap(), (account, name.clone()), "{form}");
        }
    }

    #[test]
    fn what_names_no_queue_is_refused() {
        for bad in [
            "",
            "/",
            "orders",
            "http://h",
            "http://h/",
            "http://h/orders",
            "ftp://h/000000000042/orders",
            "/42/orders",
            "/000000000042/a/b",
            "/000000000042/orders/",
            "//000000000042/orders",
            "/queue/orders",
        ] {
            let error = parse(bad).unwrap_err();
            let expected =
                format!("InvalidAddress: The address {bad} is not valid for this endpoint.");
            assert_eq!(error.to_string(), expected);
        }
        for bad in [
            "/000000000042/a.b",
            "/000000000042/orders?x=1",
            "/000000000042/",
            "/000000000042/o#x",
        ] {
            assert_eq!(
                parse(bad).unwrap_err().kind,
                SqsErrorKind::QueueDoesNotExist,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_name_may_stand_for_its_url() {
        let name = |url: &str| bare_name(url).map(|name| name.to_string());
        for own in ["orders", "orders.fifo"] {
            assert_eq!(name(own).as_deref(), Some(own));
        }
        for other in [
            "",
            "/000000000042/orders",
            "http://h/000000000042/orders",
            "h:1",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
