//! What is asked over HTTP.

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::HeaderMap;

/// How long an answer may take. A chart has a few hundred kilobytes.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often a request is made whose answer did not come.
const TRIES: usize = 3;

/// A client of HTTP.
#[derive(Debug)]
pub(super) struct Web {
    client: Client,
}

impl Web {
    pub(super) fn new() -> Result<Self> {
        // Another part of the process may have chosen one, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).user_agent("verdikt-xtask").build()?;
        Ok(Self { client })
    }

    /// The body of an address.
    pub(super) fn get(&self, address: &str) -> Result<Vec<u8>> {
        let request = self.client.get(address);
        let mut response = send(&request)?;
        let status = response.status();
        ensure!(status.is_success(), "{address} answers {status}");
        let mut body = Vec::new();
        response.read_to_end(&mut body).with_context(|| format!("cannot read {address} to its end"))?;
        Ok(body)
    }

    /// The body of an address, as text.
    pub(super) fn text(&self, address: &str) -> Result<String> {
        String::from_utf8(self.get(address)?).with_context(|| format!("{address} is not text"))
    }

    /// What an address answers of a body that is not wanted.
    pub(super) fn head(&self, address: &str, headers: HeaderMap) -> Result<Response> {
        send(&self.client.head(address).headers(headers))
    }
}

fn send(request: &RequestBuilder) -> Result<Response> {
    let mut last = None;
    for _ in 0..TRIES {
        let request = request.try_clone().context("a request with a stream as its body")?;
        match request.send() {
            Ok(response) => return Ok(response),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow!("no request was made"), Into::into))
}
