//! Which request is the first one of a connection: the one on its first stream.

use futures_util::future::join_all;
use outbound_tests::server::Script;
use tower_outbound::Reuse;

use super::*;
use crate::support::recorded;

fn answers() -> Script {
    Script::new().write(settings(100)).sleep(ms(10)).write([ok(3), ok(1), ok(5)].concat()).read_to_end()
}

async fn numbers<S, B>(client: S, server: &ScriptedServer) -> Vec<(u64, bool)>
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Error> + Clone,
    B: http_body::Body<Error = Error>,
{
    let timings = join_all((0..3).map(|_| read(&client, get(server)))).await;
    let timings = timings.into_iter().map(Result::unwrap);
    timings.map(|timings| (timings.usage().unwrap().number(), timings.reuse() == Reuse::New)).collect()
}

#[tokio::test(start_paused = true)]
async fn reuse_on_http2_is_new_on_stream_1_whoever_is_answered_first() {
    let (server, peer) = ScriptedServer::duplex(answers());
    let (outbound, _) = recorded();
    assert_eq!(numbers(driven(&outbound, peer), &server).await, [(1, true), (2, false), (3, false)]);
}
