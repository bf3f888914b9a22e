//! The webhook: `POST` of the message, or of where it is. Its status is the verdict.

use std::borrow::Cow;
use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use tower_outbound::{BoxError, OutboundClient, RequestExt as _};

use crate::Message;
use crate::config::Config;

/// How much of an answer is read: a page of an error may be large.
const LONGEST: usize = 64 << 10;

#[derive(Serialize)]
struct Question<'a> {
    id: &'a str,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_base64: Option<String>,
}

/// The head of the answer has come.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<String>,
    /// What is wrong with the rest of it. The status counts nevertheless.
    pub(crate) flaw: Option<Flaw>,
}

#[derive(Debug)]
pub(crate) enum Flaw {
    /// It is not what it should be.
    Unreadable(Cow<'static, str>),
    /// It did not come whole.
    CutOff(BoxError),
}

#[derive(Deserialize)]
struct Said {
    reason: Option<String>,
}

/// Asks for the verdict on a message, which is at `location` if it was uploaded.
pub(crate) async fn ask(
    client: &OutboundClient,
    config: &Config,
    message: &Message,
    location: Option<&str>,
) -> Result<Answer, BoxError> {
    let question = Question {
        id: message.id(),
        size: message.body().len(),
        location,
        message_base64: location.is_none().then(|| STANDARD.encode(message.body())),
    };
    let mut request = Request::post(&config.webhook_url).header(CONTENT_TYPE, "application/json");
    if let Some(token) = &config.webhook_token {
        request = request.header(AUTHORIZATION, token.bearer());
    }
    let body = Full::new(Bytes::from(serde_json::to_vec(&question)?));
    let response = client.request(request.body(body)?.url_template("{webhook}")).await?;
    let (head, body) = response.into_parts();
    let (reason, flaw) = match Limited::new(body, LONGEST).collect().await {
        Ok(whole) => read(&whole.to_bytes()),
        Err(error) if is_too_long(&*error) => {
            (None, Some(Flaw::Unreadable(format!("longer than {LONGEST} bytes").into())))
        }
        Err(error) => (None, Some(Flaw::CutOff(error))),
    };
    Ok(Answer { status: head.status, reason, flaw })
}

fn is_too_long(error: &(dyn Error + 'static)) -> bool {
    error.is::<LengthLimitError>()
}

fn read(bytes: &[u8]) -> (Option<String>, Option<Flaw>) {
    let flaw = |flaw: Cow<'static, str>| (None, Some(Flaw::Unreadable(flaw)));
    if bytes.is_empty() {
        return (None, None);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return flaw("not UTF-8".into()) };
    match serde_json::from_str::<Said>(text) {
        Ok(said) => (said.reason, None),
        Err(_) if text.trim_start().starts_with('<') => flaw("a page of HTML".into()),
        Err(error) if error.is_eof() => flaw("JSON that is cut off".into()),
        Err(error) => flaw(format!("not the JSON of an answer: {error}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_says_what_is_wrong_with_it() {
        let cases: [(&[u8], Option<&str>, Option<&str>); 7] = [
            (b"", None, None),
            (b"{}", None, None),
            (br#"{"reason": "spam", "score": 7}"#, Some("spam"), None),
            (b"\xff\xfe", None, Some("not UTF-8")),
            (br#"{"reason": "sp"#, None, Some("JSON that is cut off")),
            (b" <html>502</html>", None, Some("a page of HTML")),
            (b"ok", None, Some("not the JSON of an answer: expected value at line 1 column 1")),
        ];
        for (bytes, reason, flaw) in cases {
            let (said, found) = read(bytes);
            let found = found.map(|flaw| match flaw {
                Flaw::Unreadable(what) => what.into_owned(),
                Flaw::CutOff(error) => error.to_string(),
            });
            assert_eq!((said.as_deref(), found.as_deref()), (reason, flaw), "{bytes:?}");
        }
    }
}
