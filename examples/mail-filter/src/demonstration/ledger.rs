//! For each message, the reply that the caller got and the calls that the peers got.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::reloads::threshold;

/// The number of a configuration. It is in its URLs, tokens and keys.
pub(super) type Generation = u64;

/// The service's answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Accept,
    Reject,
    TryLater,
}

/// A call that the webhook has read whole.
#[derive(Clone, Debug)]
pub(super) struct WebhookCall {
    /// The peer's number of the connection.
    pub(super) connection: u64,
    /// What it has answered.
    pub(super) status: u16,
    pub(super) size: u64,
    /// Those of the URL, of the token, and of the storage that has the message.
    pub(super) generation: Option<Generation>,
    pub(super) of_token: Option<Generation>,
    pub(super) of_location: Option<Generation>,
    pub(super) uploaded: bool,
}

/// A message that a storage has whole.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) size: u64,
    pub(super) generation: Option<Generation>,
    pub(super) of_token: Option<Generation>,
}

/// All that is known of a message.
#[derive(Debug, Default)]
struct Entry {
    /// The size, and the reply that the caller got, if any.
    reply: Option<(u64, Option<Reply>)>,
    calls: Vec<WebhookCall>,
    uploads: Vec<Upload>,
}

#[derive(Debug, Default)]
struct Books {
    entries: HashMap<String, Entry>,
    /// The message that each connection of the webhook has served last.
    last: HashMap<u64, String>,
}

/// The log of all sides.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Books>);

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) messages: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) try_later: u64,
    /// No answer came; or a verdict, of which the peers know nothing.
    pub(super) lost: u64,
    /// Not the webhook's verdict, or of two configurations.
    pub(super) wrong: u64,
    pub(super) delivered_twice: u64,
    pub(super) uploads: u64,
}

/// The webhook's status for a message: its verdict is the last letter of the id.
pub(super) fn status_of(id: &str) -> u16 {
    match id.as_bytes().last() {
        Some(b'a') => 200,
        Some(b'r') => 403,
        _ => 503,
    }
}

impl Ledger {
    pub(super) fn webhook(&self, id: &str, call: WebhookCall) {
        let mut books = self.lock();
        books.last.insert(call.connection, id.to_owned());
        books.entries.entry(id.to_owned()).or_default().calls.push(call);
    }

    pub(super) fn uploaded(&self, id: &str, upload: Upload) {
        self.lock().entries.entry(id.to_owned()).or_default().uploads.push(upload);
    }

    pub(super) fn reply(&self, id: &str, size: u64, reply: Option<Reply>) {
        self.lock().entries.entry(id.to_owned()).or_default().reply = Some((size, reply));
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares all sides.
    pub(super) fn account(&self) -> Account {
        let books = self.lock();
        let mut account = Account::default();
        for (id, entry) in &books.entries {
            // The client has used the connection again, so it had the answer. The last one may have been cut.
            let arrived = |call: &WebhookCall| books.last.get(&call.connection) != Some(id);
            entry.add_to(&mut account, arrived);
        }
        account
    }
}

impl Entry {
    fn add_to(&self, account: &mut Account, arrived: impl Fn(&WebhookCall) -> bool) {
        account.uploads += self.uploads.len() as u64;
        account.delivered_twice += self.calls.len().max(self.uploads.len()).saturating_sub(1) as u64;
        let Some((size, reply)) = self.reply else {
            // Nobody has sent it.
            account.wrong += 1;
            return;
        };
        let status = match reply {
            None => {
                account.lost += 1;
                return;
            }
            Some(Reply::Accept) => {
                account.accepted += 1;
                Some(200)
            }
            Some(Reply::Reject) => {
                account.rejected += 1;
                Some(403)
            }
            Some(Reply::TryLater) => {
                account.try_later += 1;
                None
            }
        };
        account.messages += 1;
        match status {
            Some(_) if !self.is_delivered(size) => account.lost += 1,
            Some(status) if self.calls.iter().all(|call| call.status != status) => account.wrong += 1,
            None if self.calls.iter().any(|call| call.status != 503 && arrived(call)) => account.wrong += 1,
            _ if !self.is_of_one_configuration(size) => account.wrong += 1,
            _ => {}
        }
    }

    /// The webhook knows it, and the storage has what the webhook call says.
    fn is_delivered(&self, size: u64) -> bool {
        let stored = || self.uploads.iter().any(|upload| upload.size == size);
        self.calls.iter().any(|call| !call.uploaded || stored())
    }

    fn is_of_one_configuration(&self, size: u64) -> bool {
        let call = |call: &WebhookCall| {
            let Some(generation) = call.generation else { return false };
            let located = if call.uploaded { Some(generation) } else { None };
            call.of_token == Some(generation)
                && call.of_location == located
                && call.size == size
                && call.uploaded == (size > threshold(generation))
        };
        let upload = |upload: &Upload| {
            upload.generation.is_some() && upload.of_token == upload.generation && upload.size == size
        };
        let both = match (&*self.calls, &*self.uploads) {
            ([call], [upload]) => call.generation == upload.generation,
            _ => true,
        };
        both && self.calls.iter().all(call) && self.uploads.iter().all(upload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(connection: u64, id: &str, generation: Generation) -> WebhookCall {
        let generation = Some(generation);
        let status = status_of(id);
        let of_location = None;
        WebhookCall {
            connection,
            status,
            size: 1,
            generation,
            of_token: generation,
            of_location,
            uploaded: false,
        }
    }

    /// The account of a log in which one connection served these messages, and the callers got these replies.
    fn account(reply: &[(&str, Option<Reply>)], calls: &[(&str, WebhookCall)]) -> Account {
        let ledger = Ledger::default();
        for (id, call) in calls {
            ledger.webhook(id, call.clone());
        }
        for (id, reply) in reply {
            ledger.reply(id, 1, *reply);
        }
        ledger.account()
    }

    #[test]
    fn ledger_without_faults_finds_none() {
        let reply = [("1a", Some(Reply::Accept)), ("2r", Some(Reply::Reject)), ("3l", Some(Reply::TryLater))];
        let calls = ["1a", "2r", "3l"].map(|id| (id, call(1, id, 7)));
        let expected = Account { messages: 3, accepted: 1, rejected: 1, try_later: 1, ..Account::default() };
        assert_eq!(account(&reply, &calls), expected);
    }

    #[test]
    fn ledger_finds_each_kind_of_loss() {
        let unanswered = account(&[("1a", None)], &[("1a", call(1, "1a", 7))]);
        assert_eq!((unanswered.messages, unanswered.lost), (0, 1));
        let unknown = account(&[("1a", Some(Reply::Accept)), ("2r", Some(Reply::Reject))], &[]);
        assert_eq!((unknown.messages, unknown.lost, unknown.wrong), (2, 2, 0));
        let not_stored = WebhookCall { uploaded: true, of_location: Some(7), ..call(1, "1a", 7) };
        assert_eq!(account(&[("1a", Some(Reply::Accept))], &[("1a", not_stored)]).lost, 1);
    }

    #[test]
    fn ledger_finds_each_kind_of_wrong_verdict() {
        let turned = [("1a", Some(Reply::Reject)), ("2r", Some(Reply::Accept)), ("3l", Some(Reply::Accept))];
        let calls = ["1a", "2r", "3l"].map(|id| (id, call(1, id, 7)));
        assert_eq!(account(&turned, &calls).wrong, 3);
        // The answer to the first has arrived: the second was on the same connection. That to the second may have been cut.
        let later = [("1a", Some(Reply::TryLater)), ("2r", Some(Reply::TryLater))];
        assert_eq!(account(&later, &calls[..2]).wrong, 1);
        let accepted = [("1a", Some(Reply::Accept))];
        for other in [
            WebhookCall { of_token: Some(8), ..call(1, "1a", 7) },
            WebhookCall { generation: None, ..call(1, "1a", 7) },
            WebhookCall { size: 2, ..call(1, "1a", 7) },
        ] {
            assert_eq!(account(&accepted, &[("1a", other)]).wrong, 1);
        }
        assert_eq!(account(&[], &calls[..1]).wrong, 1, "nobody has sent it");
    }

    #[test]
    fn ledger_finds_messages_of_two_configurations() {
        let ledger = Ledger::default();
        let size = threshold(7).max(threshold(8)) + 1;
        let located = WebhookCall { uploaded: true, size, of_location: Some(7), ..call(1, "1a", 7) };
        ledger.webhook("1a", located.clone());
        ledger.uploaded("1a", Upload { size, generation: Some(7), of_token: Some(7) });
        ledger.reply("1a", size, Some(Reply::Accept));
        let expected = Account { messages: 1, accepted: 1, uploads: 1, ..Account::default() };
        assert_eq!(ledger.account(), expected);
        for (id, upload) in [
            ("2a", Upload { size, generation: Some(8), of_token: Some(8) }),
            ("3a", Upload { size, generation: Some(7), of_token: Some(8) }),
        ] {
            ledger.webhook(id, located.clone());
            ledger.uploaded(id, upload);
            ledger.reply(id, size, Some(Reply::Accept));
        }
        assert_eq!(ledger.account().wrong, 2);
    }

    #[test]
    fn ledger_counts_second_deliveries() {
        let reply = [("1a", Some(Reply::Accept))];
        let twice = ["1a"; 3].map(|id| (id, call(1, id, 7)));
        let account = account(&reply, &twice);
        assert_eq!((account.delivered_twice, account.wrong, account.lost), (2, 0, 0));
    }
}
