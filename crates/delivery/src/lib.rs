//! What leaves the broker for a subscription of a topic: requests over HTTP, mail, text messages, pushes to phones, invocations
//! of functions; and the signature by which a subscriber knows that it is from here.
//!
//! A worker takes messages out of a subscription's delivery queue, which it knows by the trait [`Inbox`] alone, hands each to
//! [`Couriers`], and tells the queue what became of it. It must not know the engine, the cluster or the gateway, and it
//! decides nothing about who gets what: filters and texts are chosen before a message comes here.
//!
//! [ADR 32](https://github.com/levada-mq/levada/blob/main/docs/adr/0032-delivery.md)

mod client;
mod courier;
mod email;
mod guard;
mod http;
mod lambda;
pub mod limits;
mod push;
mod report;
mod schedule;
mod sign;
mod sms;
mod sockets;
mod status;
mod throttle;
mod worker;

pub use self::client::{
    BadUrl, Client, ClientSettings, ConnectError, Endpoint, Roots, TlsSettingsError,
};
pub use self::courier::{Couriers, Outbound};
pub use self::email::{Mail, MailSecurity, MailSettings, MailSettingsError, Mailer};
pub use self::guard::{Allowed, Guard, GuardSettings, NoAddress, NotAllowed, Origin};
pub use self::http::{Post, PostKind};
pub use self::lambda::{FunctionEvent, Invocation};
pub use self::push::{Push, PushAddresses, PushCredentials, PushMessage, PushText};
pub use self::report::{Fate, Report, Verdict};
pub use self::schedule::{GiveUp, Next, fixed_policy};
pub use self::sign::{SignatureVersion, Signer, SigningError, Unsigned};
pub use self::sms::{
    Segments, SmsBody, SmsEncoding, SmsGateway, SmsSettings, SmsSettingsError, TextMessage,
};
pub use self::sockets::{NoSocket, Permit, SocketSettings, Sockets, Standing};
pub use self::status::{LastError, Status, StatusSnapshot};
pub use self::worker::{ClaimResult, Claimed, Courier, Inbox, InboxError, WorkerSettings, run};

#[cfg(test)]
mod stand_in;
