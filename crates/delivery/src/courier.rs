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
