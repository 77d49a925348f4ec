//! The digests of images, as their registries have them.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

use anyhow::{Context as _, Result, bail};
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::web::Web;

/// Images for all platforms.
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// The registries of images, or one in place of all.
#[derive(Debug)]
pub(super) struct Registry<'a> {
    web: &'a Web,
    instead: Option<&'a str>,
}

#[derive(Deserialize)]
struct RegistryToken {
    #[serde(alias = "access_token")]
    token: Option<String>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(web: &'a Web, instead: Option<&'a str>) -> Self {
        Self { web, instead }
    }

    /// The digest of an image for all platforms.
    pub(super) fn digest(&self, image: &str, tag: &str) -> Result<String> {
        let (host, repository) =
            image.split_once('/').with_context(|| format!("{image} names no registry"))?;
        let base = match (self.instead, host) {
            (Some(instead), _) => instead.to_owned(),
            (None, "docker.io") => "https://registry-1.docker.io".to_owned(),
            (None, host) => format!("https://{host}"),
        };
        let address = format!("{base}/v2/{repository}/manifests/{tag}");
        let doing = || format!("cannot reach the registry of {image}");
        let mut response = self.ask(&address, None).with_context(doing)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let token = self
                .token(&response, repository)
                .with_context(|| format!("the registry of {image} gives no token"))?;
            response = self.ask(&address, Some(&token)).with_context(doing)?;
        }
        let status = response.status();
        if status != StatusCode::OK {
            bail!("the registry answers {status} for {image}:{tag}");
        }
        let digest = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        let digest = digest.filter(|digest| is_digest(digest));
        Ok(digest.with_context(|| format!("the registry tells no digest of {image}:{tag}"))?.to_owned())
    }

    fn ask(&self, address: &str, token: Option<&str>) -> Result<Response> {
        let mut headers = HeaderMap::new();
        for kind in INDEXES {
            headers.append(ACCEPT, HeaderValue::from_static(kind));
        }
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
        }
        self.web.head(address, headers)
    }

    /// What a registry gives to everybody who answers its challenge.
    fn token(&self, refused: &Response, repository: &str) -> Result<String> {
        let challenge =
            refused.headers().get(WWW_AUTHENTICATE).context("it does not say where to ask for one")?;
        let challenge = challenge.to_str()?;
        let parameter = |name: &str| {
            let (_, value) = challenge.split_once(&format!("{name}=\""))?;
            value.split('"').next()
        };
        let realm = parameter("realm").context("it does not say where to ask for one")?;
        let service = parameter("service").unwrap_or_default();
        let address = format!("{realm}?service={service}&scope=repository:{repository}:pull");
        let token: RegistryToken = serde_json::from_slice(&self.web.get(&address)?)?;
        token.token.context("its answer has none")
    }
}

/// Whether a text is the SHA-256 of an image.
pub(super) fn is_digest(text: &str) -> bool {
    let hexadecimal = text.strip_prefix("sha256:");
    hexadecimal.is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
