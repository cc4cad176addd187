//! Tells a webhook what fires and what ended. The queue is bounded and nobody waits for it: what
//! does not get through in its tries is counted as lost, which is itself an alert.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::Alert;
use crate::observe::Metrics;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The waits before the second try and those after it.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// One webhook.
pub struct Webhook {
    /// Where alerts are posted.
    pub url: reqwest::Url,
    /// This process, for whoever reads.
    pub instance: Arc<str>,
    /// Deliveries are counted here.
    pub metrics: Metrics,
}

impl Webhook {
    /// Posts each alert, one after another, until told to stop.
    pub async fn run(self, mut alerts: Receiver<Alert>, stop: CancellationToken) {
        let client = reqwest::Client::builder().timeout(PATIENCE);
        let client = match client.redirect(reqwest::redirect::Policy::none()).build() {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(cause = %error, "no webhook");
                return;
            }
        };
        let telling = async {
            loop {
                match alerts.recv().await {
                    Ok(alert) => self.tell(&client, &alert).await,
                    Err(RecvError::Lagged(missed)) => {
                        (0..missed).for_each(|_| self.metrics.alert_delivery("lost"));
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        };
        tokio::select! {
            () = telling => {}
            () = stop.cancelled() => {}
        }
    }

    async fn tell(&self, client: &reqwest::Client, alert: &Alert) {
        let status = if alert.ended.is_none() {
            "firing"
        } else {
            "resolved"
        };
        let body = json!({
            "source": "exai",
            "instance": &*self.instance,
            "status": status,
            "alert": alert,
        });
        for wait in WAITS.into_iter().map(Some).chain([None]) {
            let sent = client.post(self.url.clone()).json(&body).send().await;
            let refused = match sent.and_then(reqwest::Response::error_for_status) {
                Ok(_) => return self.metrics.alert_delivery("delivered"),
                // The address may hold a secret.
                Err(error) => error.without_url(),
            };
            tracing::warn!(alert = alert.id, cause = %refused, "webhook refused an alert");
            match wait {
                Some(wait) => {
                    self.metrics.alert_delivery("retried");
                    tokio::time::sleep(wait).await;
                }
                None => self.metrics.alert_delivery("lost"),
            }
        }
    }
}
