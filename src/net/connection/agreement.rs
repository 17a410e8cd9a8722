//! The first question on a connection: which versions its peer speaks, if it is a broker at all.

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::Instant;

use super::Connection;
use crate::wire::ErrorCode;
use crate::wire::frame;
use crate::wire::versions::{ApiVersions, FIRST_API_VERSIONS};
use crate::{Error, ErrorKind};

impl Connection {
    pub(super) async fn agree_on_versions(&self, deadline: Instant) -> Result<ApiVersions, Error> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(env!("CARGO_PKG_NAME")))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut response = self
            .ask_versions(&request, FIRST_API_VERSIONS, deadline)
            .await
            .map_err(|error| self.not_kafka(error))?;
        if ErrorCode(response.error_code) == ErrorCode::UNSUPPORTED_VERSION {
            response = self
                .ask_versions(&ApiVersionsRequest::default(), 0, deadline)
                .await?;
        }
        let code = ErrorCode(response.error_code);
        code.ok()
            .map_err(|code| Error::broker(code, format!("{}: asking its versions", self.peer)))?;
        let versions = ApiVersions::from_response(&response);
        versions
            .check()
            .map_err(|error| self.unsupported(&error.to_string()))?;
        Ok(versions)
    }

    /// Asks in one version. The answer to a version that the broker does not know is in version
    /// 0 and begins with error 35 (KIP-511).
    async fn ask_versions(
        &self,
        request: &ApiVersionsRequest,
        version: i16,
        deadline: Instant,
    ) -> Result<ApiVersionsResponse, Error> {
        let key = ApiVersionsRequest::KEY;
        let frame = self.encode(request, version)?;
        let answer = self.exchange(key, frame, deadline).await?;
        let refused = answer.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes()[..]);
        let version = if refused { 0 } else { version };
        frame::decode_response::<ApiVersionsRequest>(answer, version).map_err(|error| {
            self.unsupported(&format!("it does not answer as Kafka does: {error}"))
        })
    }

    /// What a peer may be that does not answer the first question as Kafka does. Before the
    /// versions are agreed on, bytes that are not Kafka's say that the peer is none.
    fn not_kafka(&self, error: Error) -> Error {
        let protocol = self.security.protocol();
        match error.kind() {
            kind @ (ErrorKind::Timeout | ErrorKind::Connection) => {
                let hint = "is it a Kafka broker, and security.protocol the port's?";
                Error::new(kind, format!("{error} ({hint} It is {protocol}.)"))
            }
            ErrorKind::Protocol => Error::new(ErrorKind::Unsupported, error.to_string()),
            _ => error,
        }
    }
}
