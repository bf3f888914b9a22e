//! An SDK on reqwest that takes a client of one's own: `cargo run -p drop-in --bin openai -- URI`.

use std::process::ExitCode;

use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::{ChatCompletionRequestUserMessage, CreateChatCompletionRequestArgs};
use tower::service_fn;
use tower_outbound::reqwest::ReqwestClient;
use tower_outbound::{BoxError, Failure, Outbound, ResponseExt};

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{}: {error}", Failure::of(&*error).kind());
    ExitCode::FAILURE
}

async fn run() -> Result<(), BoxError> {
    let uri = std::env::args().nth(1).expect("a URI as argument");
    // The TLS library that reqwest uses, where a crate of the tree asks reqwest for none.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // What the SDK's own client had set, such as timeouts and a user agent, is set here.
    let client = Outbound::new().reqwest(reqwest::Client::builder().user_agent("drop-in"))?;
    let service = service_fn(move |request| send(client.clone(), request));
    let config = OpenAIConfig::new().with_api_base(uri).with_api_key("key");
    let openai = async_openai::Client::with_config(config).with_http_service(service);
    for _ in 0..2 {
        let question = ChatCompletionRequestUserMessage::from("Is the connection reused?");
        let request =
            CreateChatCompletionRequestArgs::default().model("any").messages([question.into()]).build()?;
        let answer = openai.chat().create(request).await?;
        println!("{} choice", answer.choices.len());
    }
    Ok(())
}

/// The SDK builds the request, the layers send it.
async fn send(client: ReqwestClient, request: HttpRequestFactory) -> Result<reqwest::Response, OpenAIError> {
    let response = client.execute(request.build().await?).await;
    let response = response.map_err(|error| OpenAIError::Boxed(error.into()))?;
    if let Some(timings) = response.timings() {
        println!("{timings}");
    }
    Ok(response)
}
