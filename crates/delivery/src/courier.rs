//! All the ways out of the broker together: what a delivery worker hands its messages to.

use crate::client::{Client, Endpoint};
use crate::email::{Mail, Mailer};
use crate::http::Post;
use crate::lambda::Invocation;
use crate::push::{Push, PushMessage};
use crate::report::Report;
use crate::sms::{SmsGateway, TextMessage};
use crate::sockets::Standing;
use crate::worker::Courier;

/// What is delivered.
#[derive(Clone, Debug)]
pub enum Outbound {
    /// To an HTTP endpoint.
    Http(Post),
    /// By mail.
    Mail(Mail),
    /// To a phone, as a text message.
    Sms(TextMessage),
    /// To an app on a phone.
    Push(PushMessage),
    /// To a function.
    Lambda(Invocation),
    /// To a delivery stream. There are none yet.
    Firehose,
}

/// All ways out. One whose settings are missing gives its messages up, and says so: without a restart they would not come.
#[derive(Clone, Debug)]
pub struct Couriers {
    /// For HTTP, and everything that goes over it.
    pub client: Client,
    /// The mail server.
    pub mailer: Option<Mailer>,
    /// The gateway for text messages.
    pub sms: Option<SmsGateway>,
    /// The platforms.
    pub push: Push,
    /// Where functions are.
    pub lambda: Option<Endpoint>,
}

impl Courier for Couriers {
    type Message = Outbound;

    async fn deliver(&self, message: &Outbound, standing: Standing) -> Report {
        let missing = |what: &str| Report::never(None, format_args!("no {what} is configured"));
        match message {
            Outbound::Http(post) => post.send(&self.client, standing).await,
            Outbound::Mail(mail) => match &self.mailer {
                Some(mailer) => mailer.send(mail, standing).await,
                None => missing("mail server"),
            },
            Outbound::Sms(text) => match &self.sms {
                Some(gateway) => gateway.send(&self.client, text, standing).await,
                None => missing("gateway for text messages"),
            },
            Outbound::Push(push) => self.push.send(push, standing).await,
            Outbound::Lambda(invocation) => match &self.lambda {
                Some(base) => invocation.send(&self.client, base, standing).await,
                None => missing("endpoint for functions"),
            },
            Outbound::Firehose => Report::never(None, "delivery streams are not there yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::email::Mail;
    use crate::push::PushAddresses;
    use crate::report::Verdict;
    use crate::stand_in::{Reply, StandIn, client};

    fn couriers(lambda: Option<&str>) -> Couriers {
        let client = client(&[]);
        Couriers {
            push: Push::new(client.clone(), &PushAddresses::default()).unwrap(),
            client,
            mailer: None,
            sms: None,
            lambda: lambda.map(|base| Endpoint::parse(base).unwrap()),
        }
    }

    fn invocation() -> Outbound {
        Outbound::Lambda(Invocation {
            function_arn: "arn:aws:lambda:eu-west-1:123456789012:function:f:live".to_owned(),
            payload: Bytes::from_static(b"{\"Records\":[]}"),
        })
    }

    #[tokio::test]
    async fn functions_are_invoked_without_waiting_for_them() {
        let server = StandIn::plain(|seen| match seen.uri.contains("/f/") {
            true => Reply::status(202),
            false => Reply::status(404),
        })
        .await;
        let couriers = couriers(Some(&server.url("/base/")));
        let report = couriers.deliver(&invocation(), Standing::Healthy).await;
        assert_eq!(
            (report.verdict, report.status),
            (Verdict::Delivered, Some(202))
        );
        let seen = &server.seen()[0];
        assert_eq!(
            (&*seen.method, &*seen.uri),
            (
                "POST",
                "/base/2015-03-31/functions/f/invocations?Qualifier=live"
            )
        );
        assert_eq!(seen.header("x-amz-invocation-type"), Some("Event"));
        assert_eq!(seen.body, "{\"Records\":[]}");
        let gone = Outbound::Lambda(Invocation {
            function_arn: "arn:aws:lambda:eu-west-1:123456789012:function:g".to_owned(),
            payload: Bytes::new(),
        });
        let report = couriers.deliver(&gone, Standing::Healthy).await;
        assert_eq!((report.verdict, report.status), (Verdict::Never, Some(404)));
    }

    #[tokio::test]
    async fn what_is_not_configured_says_so_for_good() {
        let couriers = couriers(None);
        let text = TextMessage {
            to: "+1".to_owned(),
            message: "x".to_owned(),
            sender: None,
        };
        for (message, told) in [
            (invocation(), "no endpoint for functions is configured"),
            (
                Outbound::Sms(text),
                "no gateway for text messages is configured",
            ),
            (
                Outbound::Mail(Mail::json("a@b.c", None, None, "{}")),
                "no mail server is configured",
            ),
            (Outbound::Firehose, "delivery streams are not there yet"),
        ] {
            let report = couriers.deliver(&message, Standing::Healthy).await;
            assert_eq!(report, Report::never(None, told));
        }
    }
}
