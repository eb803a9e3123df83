//! The forms of one message: what each protocol gets as its text, and what the document around it must say.
//!
//! A form is kept once for all subscriptions that get it. With an archive the first form is the one that is kept.

use levada_wire::sns::{Messages, SubscriptionProtocol};

/// The text that a subscription gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextFor<'a> {
    /// Of its protocol.
    Protocol(SubscriptionProtocol),
    /// Of its endpoint's platform, such as `GCM`.
    Platform(&'a str),
}

/// One form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'m> {
    pub(super) text: &'m str,
    /// It is a platform's own document.
    pub(super) is_platforms: bool,
    /// Somebody must know what the document says: the message's id and the topic, at least.
    pub(super) has_notification: bool,
    /// A queue gets the document, with its signature: it is the same document for all who receive it.
    pub(super) is_signed: bool,
}

/// The forms that somebody gets.
#[derive(Debug)]
pub(super) struct Forms<'m> {
    messages: &'m Messages<'m>,
    /// Whether what queues get is signed.
    pub(super) signs_for_queues: bool,
    pub(super) all: Vec<Form<'m>>,
}

impl<'m> Forms<'m> {
    /// Of a message. `archives`: the form that queues get is kept, whoever else gets it.
    pub(super) fn new(messages: &'m Messages<'m>, archives: bool, signs_for_queues: bool) -> Self {
        let mut forms = Self {
            messages,
            signs_for_queues,
            all: Vec::new(),
        };
        if archives {
            let at = forms.place(TextFor::Protocol(SubscriptionProtocol::Sqs));
            forms.need(at, true, signs_for_queues);
        }
        forms
    }

    /// The place of a form among all.
    pub(super) fn place(&mut self, text_for: TextFor<'_>) -> u32 {
        let (text, is_platforms) = match text_for {
            TextFor::Protocol(protocol) => (self.messages.for_protocol(protocol), false),
            TextFor::Platform(platform) => self.messages.for_platform(platform),
        };
        // Texts are the same if they are one text of the message: they are not compared for each of a million subscriptions.
        let is_it =
            |form: &Form<'_>| std::ptr::eq(form.text, text) && form.is_platforms == is_platforms;
        let at = self.all.iter().position(is_it).unwrap_or_else(|| {
            self.all.push(Form {
                text,
                is_platforms,
                has_notification: false,
                is_signed: false,
            });
            self.all.len() - 1
        });
        // There are no more of them than protocols and platforms.
        u32::try_from(at).unwrap_or(0)
    }

    /// What somebody who gets a form needs of it.
    pub(super) fn need(&mut self, at: u32, notification: bool, signature: bool) {
        if let Some(form) = self.all.get_mut(at as usize) {
            form.has_notification |= notification;
            form.is_signed |= signature;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_for_all_who_get_it() {
        let texts = [("default", "d"), ("email", "e"), ("GCM", "{}")];
        let texts = texts.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let messages = Messages::ByProtocol(texts.into());
        let mut forms = Forms::new(&messages, false, true);
        let http = forms.place(TextFor::Protocol(SubscriptionProtocol::Http));
        assert_eq!(
            http,
            forms.place(TextFor::Protocol(SubscriptionProtocol::Lambda))
        );
        assert_eq!(http, forms.place(TextFor::Platform("ADM")));
        let email = forms.place(TextFor::Protocol(SubscriptionProtocol::Email));
        let phone = forms.place(TextFor::Platform("GCM"));
        assert_eq!((http, email, phone, forms.all.len()), (0, 1, 2, 3));
        assert!(forms.all[2].is_platforms && !forms.all[1].is_platforms);
        forms.need(email, true, false);
        let needed: Vec<_> = forms.all.iter().map(|f| f.has_notification).collect();
        assert_eq!(needed, [false, true, false]);
    }

    #[test]
    fn an_archive_keeps_what_queues_get_first() {
        let messages = Messages::Same("m");
        let mut forms = Forms::new(&messages, true, true);
        assert!(forms.all[0].is_signed && forms.all[0].has_notification);
        assert_eq!(forms.place(TextFor::Platform("GCM")), 0);
    }
}
