//! Retries to nginx, whose log has each request and its connection.

mod restart;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, HeaderName, RETRY_AFTER};
use http::{Request, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use outbound_tests::peers::{Access, NGINX, Nginx};
use outbound_tests::recorder::Recorder;
use tokio::sync::oneshot;
use tower_outbound::client::ResponseBody;
use tower_outbound::retry::{RetryHistory, RetryLayer, RetryReason};
use tower_outbound::{Event, Outbound};

use outbound_tests::peers::checks::Check;

/// nginx writes its log after the response.
const LOG_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new("status_429_is_retried_after_retry_after", NGINX, waits_as_asked),
        Check::new("retry_after_date_in_the_past_is_retried_at_once", NGINX, dates_in_the_past),
        Check::new("retry_after_date_beyond_cap_is_not_retried", NGINX, dates_far_ahead),
        Check::new("restart_unseen_by_client_gets_each_request_once", NGINX, restart::unseen),
        Check::new("restart_seen_by_client_gets_each_request_once", NGINX, restart::seen),
        Check::new("status_413_before_upload_is_whole_is_not_retried", NGINX, half_an_upload),
        Check::new("status_413_after_whole_upload_is_retried", NGINX, whole_uploads),
    ]
}

/// A stack with its recorder, and the events of its retry layer.
struct Setup {
    outbound: Outbound,
    recorder: Recorder,
    retries: Arc<Mutex<Retries>>,
}

#[derive(Default)]
struct Retries {
    lines: Vec<String>,
    pauses: Vec<Duration>,
}

impl Setup {
    fn new(options: impl FnOnce(RetryLayer) -> RetryLayer) -> Self {
        let (recorder, retries) = (Recorder::new(), Arc::<Mutex<Retries>>::default());
        let recorded = retries.clone();
        let observer = move |event: &Event<'_>| lock(&recorded).add(event);
        let builder = Outbound::builder().observer(recorder.clone()).observer(observer);
        Self { outbound: builder.retry(options).build(), recorder, retries }
    }

    /// Retries 429 and 503.
    fn patient() -> Self {
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        Self::new(|retry| retry.status(busy).attempt_header(HeaderName::from_static("x-retries")))
    }

    fn lines(&self) -> Vec<String> {
        lock(&self.retries).lines.clone()
    }
}

impl Retries {
    fn add(&mut self, event: &Event<'_>) {
        self.lines.push(match event {
            Event::RetryDecided { reason, decision: Ok(delay), .. } => {
                format!("retry after {delay:?}: {reason}")
            }
            Event::RetryDecided { reason, decision: Err(limit), .. } => {
                format!("no retry: {reason}, {limit}")
            }
            Event::Released { release, .. } => format!("released {release}"),
            Event::BackoffStarted { .. } => "pause".to_owned(),
            Event::BackoffEnded { start, end, .. } => {
                self.pauses.push(*end - *start);
                "pause over".to_owned()
            }
            _ => return,
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn uri(nginx: &Nginx, path: &str) -> Uri {
    format!("http://{}{path}", nginx.address()).parse().unwrap()
}

fn history(response: &Response<ResponseBody>) -> &[tower_outbound::retry::FailedAttempt] {
    response.extensions().get::<RetryHistory>().map_or(&[], |history| history)
}

async fn text(response: Response<ResponseBody>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The log lines of this path, in order.
fn of<'a>(log: &'a [Access], path: &str) -> Vec<&'a Access> {
    let path = format!(" {path} ");
    log.iter().filter(|access| access.request.contains(&path)).collect()
}

/// Another client has used up nginx's rate: a request gets 429, then 200 on the same connection a second later.
async fn waits_as_asked() {
    // nginx applies `limit_req` after `return` and before `try_files`.
    let server = "location / {
            limit_req zone=few; limit_req_status 429; error_page 429 @slower; try_files /hello =500;
        }
        location @slower { add_header Retry-After 1 always; return 429 'slow down'; }";
    let zone = "limit_req_zone $binary_remote_addr zone=few:1m rate=2r/s;";
    let mut nginx = Nginx::config(server).http(zone).file("html/hello", "hello").start().await.unwrap();
    let other = Outbound::builder().retry(|retry| retry.max_retries(0)).build().client();

    // On a busy machine the request may come half a second late, and is not limited: try again.
    for n in 0..20 {
        while other.get(uri(&nginx, "/other")).await.unwrap().status() != StatusCode::TOO_MANY_REQUESTS {}
        let (setup, path) = (Setup::patient(), format!("/own/{n}"));
        let response = setup.outbound.client().get(uri(&nginx, &path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let [refused] = history(&response) else {
            assert_eq!(setup.lines(), [""; 0]);
            continue;
        };
        assert_eq!((refused.reason(), refused.delay()), (RetryReason::Status, Duration::from_secs(1)));
        assert_eq!(refused.status(), Some(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(text(response).await, "hello");
        let expected = ["retry after 1s: status", "released drained", "pause", "pause over"];
        assert_eq!(setup.lines(), expected);
        assert!(lock(&setup.retries).pauses.iter().all(|pause| *pause >= Duration::from_secs(1)));
        setup.recorder.settled().await;
        assert_eq!((setup.recorder.count("ConnectionOpened"), setup.recorder.outcomes().len()), (1, 2));

        // nginx's log is complete once it has ended.
        nginx.daemon().end().await.unwrap();
        let log = nginx.log();
        let [refused, answered] = of(&log, &path)[..] else { panic!("{log:?}") };
        assert_eq!([(refused.status, refused.uses), (answered.status, answered.uses)], [(429, 1), (200, 2)]);
        assert_eq!((refused.connection, refused.peer_port), (answered.connection, answered.peer_port));
        return;
    }
    panic!("never over the limit");
}

/// Refuses first attempts with a `Retry-After` date for each path.
async fn dated(dates: &[(&str, &str)]) -> Nginx {
    let server =
        "location / { error_page 503 @busy; if ($http_x_retries = '') { return 503; } return 200 'hello'; }
        location @busy { add_header Retry-After $when always; return 503 'busy'; }";
    let when: String = dates.iter().map(|(path, date)| format!("{path} '{date}'; ")).collect();
    Nginx::config(server).http(&format!("map $uri $when {{ {when} }}")).start().await.unwrap()
}

/// Each date format of RFC 9110, section 5.6.7, including the two obsolete ones.
async fn dates_in_the_past() {
    let dates = [
        ("/fixdate", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("/rfc850", "Sunday, 06-Nov-94 08:49:37 GMT"),
        ("/asctime", "Sun Nov  6 08:49:37 1994"),
    ];
    let mut nginx = dated(&dates).await;
    for (path, _) in dates {
        let setup = Setup::patient();
        let response = setup.outbound.client().get(uri(&nginx, path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let attempts = history(&response).iter().map(|attempt| (attempt.status(), attempt.delay()));
        let attempts: Vec<_> = attempts.collect();
        assert_eq!(attempts, [(Some(StatusCode::SERVICE_UNAVAILABLE), Duration::ZERO)], "{path}");
        assert_eq!(text(response).await, "hello");
        assert_eq!(setup.lines(), ["retry after 0ns: status", "released drained"], "{path}");
        setup.recorder.settled().await;
    }
    nginx.daemon().end().await.unwrap();
    let log = nginx.log();
    for (path, _) in dates {
        let statuses: Vec<_> = of(&log, path).iter().map(|access| access.status).collect();
        assert_eq!(statuses, [503, 200], "{path}");
    }
}

/// Dates beyond the longest accepted wait, which is 30 s.
async fn dates_far_ahead() {
    let dates = [
        ("/fixdate", "Fri, 31 Dec 2049 23:59:59 GMT"),
        ("/rfc850", "Friday, 31-Dec-49 23:59:59 GMT"),
        ("/asctime", "Fri Dec 31 23:59:59 2049"),
    ];
    let mut nginx = dated(&dates).await;
    for (path, date) in dates {
        let setup = Setup::patient();
        let response = setup.outbound.client().get(uri(&nginx, path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.headers()[RETRY_AFTER], date);
        assert!(history(&response).is_empty(), "{path}");
        assert_eq!(text(response).await, "busy");
        assert_eq!(setup.lines(), ["no retry: status, retry_after"], "{path}");
        setup.recorder.settled().await;
    }
    nginx.daemon().end().await.unwrap();
    let log = nginx.log();
    for (path, _) in dates {
        let statuses: Vec<_> = of(&log, path).iter().map(|access| access.status).collect();
        assert_eq!(statuses, [503], "{path}");
    }
}

/// Retries 413, without backoff.
fn refused_by_413() -> Setup {
    let pauses = |retry: RetryLayer| retry.backoff(Duration::ZERO, Duration::ZERO);
    Setup::new(|retry| pauses(retry.status([StatusCode::PAYLOAD_TOO_LARGE])))
}

const SMALL_UPLOADS: &str = "client_max_body_size 1k; location / { return 200 'hello'; }";

/// nginx never reads the second half of the upload, which is ready only after the response.
async fn half_an_upload() {
    let nginx = Nginx::start(SMALL_UPLOADS).await.unwrap();
    let setup = refused_by_413();
    let polled = Arc::new(AtomicUsize::new(0));
    let (answered, is_answered) = oneshot::channel::<()>();
    let half = {
        let polled = polled.clone();
        move || {
            polled.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 16 * 1024])))
        }
    };
    let second = half.clone();
    let body = stream::once(async move { half() }).chain(stream::once(async move {
        let _ = is_answered.await;
        second()
    }));
    let request = Request::post(uri(&nginx, "/upload")).header(CONTENT_LENGTH, 32 * 1024);
    let request = request.body(StreamBody::new(Box::pin(body))).unwrap();
    let client = setup.outbound.client();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(history(&response).is_empty());
    assert_eq!(polled.load(Ordering::Relaxed), 1);
    assert_eq!(setup.lines(), ["no retry: status, body"]);
    drop((answered, response, client));
    setup.recorder.settled().await;

    let log = nginx.accesses(1, LOG_WITHIN).await;
    assert_eq!(log.iter().map(|access| access.status).collect::<Vec<_>>(), [413]);
    assert_eq!(setup.recorder.count("AttemptStarted"), 1);
    assert_eq!(setup.recorder.count("ConnectStarted"), 1);
}

/// An upload that was written whole before the response is retried as any other request.
async fn whole_uploads() {
    let nginx = Nginx::start(SMALL_UPLOADS).await.unwrap();
    let setup = refused_by_413();
    let body = Full::new(Bytes::from(vec![b'x'; 2 * 1024]));
    let request = Request::post(uri(&nginx, "/upload")).body(body).unwrap();
    let client = setup.outbound.client();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(history(&response).len(), 2);
    let retry = ["retry after 0ns: status", "released drained"];
    assert_eq!(setup.lines(), [&retry[..], &retry[..], &["no retry: status, attempts"]].concat());
    drop((response, client));
    setup.recorder.settled().await;
    let log = nginx.accesses(3, LOG_WITHIN).await;
    assert_eq!(log.iter().map(|access| access.status).collect::<Vec<_>>(), [413; 3]);
}
