//! What a peer does wrong, or unusually, with a request.

use super::clients::{Client, Kind};

/// What the peer does with the first attempt of a request that it reads. Later attempts are answered plainly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers in full.
    None,
    /// Answers in full and says that this is the last answer: `connection: close`, or GOAWAY.
    Goodbye,
    /// Answers in full as an HTTP/1.0 server.
    Http10,
    /// Answers in full, and closes after a pause.
    CloseAfter,
    /// Answers in full, and resets the connection after a pause.
    ResetAfter,
    /// A 103 before the answer, in one write with it.
    Interim,
    /// A 103 before the answer, in a write of its own.
    InterimApart,
    /// Answers in full when it has some of the upload, and reads on.
    EarlyAnswer,
    /// Answers in full when it has some of the upload, and closes with unread bytes, which resets the connection.
    EarlyAnswerClose,
    /// Closes when it has the whole request. It reads on until the client has closed too.
    CloseUnanswered,
    /// Resets the connection when it has the whole request.
    ResetUnanswered,
    /// Closes amid the upload. It reads on until the client has closed too.
    CloseMidUpload,
    /// Resets the connection amid the upload.
    ResetMidUpload,
    /// Closes amid the head of its answer.
    CloseMidHead,
    /// Resets the connection amid the head of its answer.
    ResetMidHead,
    /// Closes amid the body of its answer.
    CloseMidBody,
    /// Resets the connection amid the body of its answer.
    ResetMidBody,
    /// Answers with something else than HTTP.
    NotHttp,
    /// The answer's second chunk is none.
    BadChunk,
    /// Does not answer: a time limit of the client ends the attempt.
    Unanswered,
    /// Stops amid the body of its answer: a time limit of the client ends the attempt.
    StalledBody,
    /// Stops reading amid the upload: a time limit of the client ends the attempt.
    StalledUpload,
    /// RST_STREAM with REFUSED_STREAM.
    Refused,
    /// RST_STREAM with CANCEL, in place of an answer.
    StreamReset,
    /// RST_STREAM with CANCEL amid the upload.
    StreamResetMidUpload,
    /// RST_STREAM with INTERNAL_ERROR amid the body of its answer.
    StreamResetMidBody,
    /// GOAWAY that excludes this request and all later ones.
    GoAwayExcluding,
    /// GOAWAY that excludes this request, and the end of the connection directly behind it.
    GoAwayClose,
}

/// What the peer does with a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtAccept {
    /// Serves it.
    Serve,
    /// Closes it.
    Close,
    /// Resets it.
    Reset,
}

const HTTP_1: &[Fault] = &[
    Fault::Goodbye,
    Fault::Http10,
    Fault::CloseAfter,
    Fault::ResetAfter,
    Fault::Interim,
    Fault::InterimApart,
    Fault::EarlyAnswer,
    Fault::EarlyAnswerClose,
    Fault::CloseUnanswered,
    Fault::ResetUnanswered,
    Fault::CloseMidUpload,
    Fault::ResetMidUpload,
    Fault::CloseMidHead,
    Fault::ResetMidHead,
    Fault::CloseMidBody,
    Fault::ResetMidBody,
    Fault::NotHttp,
    Fault::BadChunk,
    Fault::Unanswered,
    Fault::StalledBody,
    Fault::StalledUpload,
];

const HTTP_2: &[Fault] = &[
    Fault::Goodbye,
    Fault::CloseAfter,
    Fault::ResetAfter,
    Fault::Interim,
    Fault::InterimApart,
    Fault::EarlyAnswer,
    Fault::CloseUnanswered,
    Fault::ResetUnanswered,
    Fault::CloseMidUpload,
    Fault::ResetMidUpload,
    Fault::CloseMidBody,
    Fault::ResetMidBody,
    Fault::NotHttp,
    Fault::Unanswered,
    Fault::StalledBody,
    Fault::StalledUpload,
    Fault::Refused,
    Fault::StreamReset,
    Fault::StreamResetMidUpload,
    Fault::StreamResetMidBody,
    Fault::GoAwayExcluding,
    Fault::GoAwayClose,
];

impl Fault {
    /// The faults that a client can meet.
    #[must_use]
    pub fn of(client: Client, settled: bool) -> Vec<Fault> {
        let all = if client.http2 { HTTP_2 } else { HTTP_1 };
        all.iter().copied().filter(|fault| !settled || fault.pending(client).is_none()).collect()
    }

    /// Why a run of settled faults leaves this one out: its reports are known to be wrong.
    #[must_use]
    pub fn pending(self, client: Client) -> Option<&'static str> {
        match self {
            Fault::EarlyAnswer if client.kind == Kind::Reqwest && !client.http2 => Some(
                "hyper, also without the layers: seldom, the connection is never ready again, and stays open",
            ),
            _ => None,
        }
    }

    /// Whether the request must have a body.
    #[must_use]
    pub fn needs_upload(self) -> bool {
        use Fault::{
            CloseMidUpload, EarlyAnswer, EarlyAnswerClose, ResetMidUpload, StalledUpload,
            StreamResetMidUpload,
        };
        matches!(
            self,
            EarlyAnswer
                | EarlyAnswerClose
                | CloseMidUpload
                | ResetMidUpload
                | StalledUpload
                | StreamResetMidUpload
        )
    }

    /// Whether the answer must have a body.
    #[must_use]
    pub fn needs_body(self) -> bool {
        use Fault::{BadChunk, CloseMidBody, ResetMidBody, StalledBody, StreamResetMidBody};
        matches!(self, CloseMidBody | ResetMidBody | BadChunk | StalledBody | StreamResetMidBody)
    }

    /// Whether only a time limit of the client ends the attempt.
    #[must_use]
    pub fn stalls(self) -> bool {
        matches!(self, Fault::Unanswered | Fault::StalledBody | Fault::StalledUpload)
    }
}
