//! The container: requests to the service, one for each call.
//!
//! `object_store` signs them. Its client would not do for the rest: it knows no Set
//! Blob Metadata, lists no metadata, removes nothing on a condition, and tells neither
//! the service's time nor its error codes.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::client::HttpRequestBody;

use super::access::Access;
use super::address::Address;
use super::answer::{Answer, broken};
use super::blobs::{Blob, Blobs, Metadata, On};
use super::dial::Dialer;
use super::listing::Page;
use crate::error::Error;

/// Before a metadata entry's name, in a header.
pub(super) const ENTRY: &str = "x-ms-meta-";

/// Shorter than after what Azure closes a connection that nothing goes over.
const IDLE: Duration = Duration::from_secs(60);

/// More than a page of a listing has.
const MOST_BYTES: usize = 64 << 20;

/// A container of a storage account. `Debug` shows no secret.
pub(super) struct Container {
    address: Address,
    access: Access,
    client: Client<Dialer, HttpRequestBody>,
}

impl Container {
    pub(super) fn new(address: Address, access: Access, roots: Option<Vec<u8>>) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Dialer::new(roots));
        Self {
            address,
            access,
            client,
        }
    }

    /// Makes the container; `false` if it is there.
    pub(super) async fn create(&self) -> Result<bool, Error> {
        let headers = HeaderMap::new();
        let answer = self
            .send(Method::PUT, "?restype=container", headers)
            .await?;
        match (answer.status, answer.code()) {
            (StatusCode::CREATED, _) => Ok(true),
            (_, "ContainerAlreadyExists") => Ok(false),
            _ => Err(answer.error("making the container")),
        }
    }

    /// Sends one request; `rest` follows the container's URL.
    async fn send(&self, method: Method, rest: &str, headers: HeaderMap) -> Result<Answer, Error> {
        let url = &self.address.url;
        let mut request = http::Request::new(HttpRequestBody::empty());
        *request.uri_mut() = format!("{url}{rest}")
            .parse()
            .map_err(|_| Error::invalid_options("a name in the address of a blob is malformed"))?;
        if method == Method::PUT {
            let headers = request.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.method_mut() = method;
        request.headers_mut().extend(headers);
        self.access.prove(&mut request).await?;

        let response = self.client.request(request).await;
        let response = response.map_err(|error| broken(url, error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|error| broken(url, error))?.to_bytes();
        if parts.status == StatusCode::UNAUTHORIZED {
            self.access.refused().await;
        }
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            container: url.clone(),
        })
    }

    async fn page(&self, prefix: &str, marker: &str) -> Result<(Bytes, Answer), Error> {
        let prefix = escape(prefix);
        let mut rest = format!("?restype=container&comp=list&include=metadata&prefix={prefix}");
        if !marker.is_empty() {
            rest += &format!("&marker={}", escape(marker));
        }
        let answer = self.send(Method::GET, &rest, HeaderMap::new()).await?;
        match answer.status {
            StatusCode::OK => Ok((answer.body.clone(), answer)),
            _ => Err(answer.error("listing the blobs")),
        }
    }
}

#[async_trait]
impl Blobs for Container {
    async fn get(&self, name: &str) -> Result<Option<Blob>, Error> {
        let answer = self
            .send(Method::HEAD, &format!("/{name}"), HeaderMap::new())
            .await?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.blob(answer.metadata())?)),
            _ if answer.is_no_blob() => Ok(None),
            _ => Err(answer.error(&format!("reading {name}"))),
        }
    }

    async fn put(&self, name: &str, on: On, metadata: Metadata) -> Result<Option<Blob>, Error> {
        let mut headers = HeaderMap::new();
        for (entry, value) in &metadata {
            let name = HeaderName::try_from(format!("{ENTRY}{entry}"));
            let value = HeaderValue::try_from(value);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(Error::invalid_options(format!(
                    "{entry} is no text for metadata"
                )));
            };
            headers.insert(name, value);
        }
        let (rest, done) = match on {
            On::Nothing => {
                let kind = HeaderValue::from_static("BlockBlob");
                headers.insert("x-ms-blob-type", kind);
                headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
                (format!("/{name}"), StatusCode::CREATED)
            }
            // Put Blob would do it, too, but leave a copy where deletions are soft.
            On::Version(version) => {
                headers.insert(IF_MATCH, condition(&version)?);
                (format!("/{name}?comp=metadata"), StatusCode::OK)
            }
        };
        let answer = self.send(Method::PUT, &rest, headers).await?;
        match answer.status {
            status if status == done => Ok(Some(answer.blob(metadata)?)),
            _ if answer.is_lost_race() || answer.is_no_blob() => Ok(None),
            _ => Err(answer.error(&format!("writing {name}"))),
        }
    }

    async fn delete(&self, name: &str, version: &str) -> Result<bool, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, condition(version)?);
        let answer = self
            .send(Method::DELETE, &format!("/{name}"), headers)
            .await?;
        match answer.status {
            StatusCode::ACCEPTED => Ok(true),
            _ if answer.is_lost_race() || answer.is_no_blob() => Ok(false),
            _ => Err(answer.error(&format!("removing {name}"))),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Blob)>, Error> {
        let (mut blobs, mut marker) = (Vec::new(), String::new());
        loop {
            let (body, answer) = self.page(prefix, &marker).await?;
            let page = Page::parse(&body, answer.date()?).map_err(|what| answer.malformed(what))?;
            blobs.extend(page.blobs);
            marker = page.marker;
            if marker.is_empty() {
                return Ok(blobs);
            }
        }
    }
}

fn condition(version: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(version)
        .map_err(|_| Error::invalid_options("a version is the one that the store has told"))
}

/// Text in a query.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let escaped = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("url", &self.address.url)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}
