//! REST calls.

use reqwest::{Client, Method, Response};
use serde_json::Value;

use super::soon;

/// A REST client of one daemon.
#[derive(Clone)]
pub struct Rest {
    client: Client,
    url: String,
}

impl Rest {
    /// A client of the daemon at an address.
    pub fn new(address: impl std::fmt::Display) -> Self {
        roost::tls::prepare();
        Self {
            client: Client::new(),
            url: format!("http://{address}"),
        }
    }

    /// Sends a request; status and JSON (null without body).
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = soon(path, request.send()).await.expect("a response");
        read(response).await
    }

    /// POST; panics unless 201.
    pub async fn create(&self, service: &str, body: &Value) -> Value {
        let (status, answer) = self
            .send(Method::POST, &format!("/{service}"), Some(body))
            .await;
        assert_eq!(status, 201, "{answer}");
        answer
    }

    /// GET; panics unless 200.
    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.send(Method::GET, path, None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The daemon's counters, as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        let request = self.client.get(format!("{}/metrics", self.url)).send();
        let response = soon("metrics", request).await.expect("an answer");
        response.text().await.expect("text")
    }

    /// A request with headers of one's own.
    pub async fn with_headers(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(soon(path, request.send()).await.expect("a response")).await
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = soon("a body", response.text()).await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}
