//! Scripted peers: just enough of a broker to try the client's shells against.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, MetadataResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::wire::ErrorCode;
use crate::wire::names::topic_name;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    body: Bytes,
}

/// What the peer does about a request.
pub(crate) enum Reply {
    /// Answers after a while; what comes behind on the connection waits.
    After(Duration, Bytes),
    /// Sends these bytes as they are.
    Raw(Bytes),
    /// Reads on and says nothing.
    Nothing,
    /// Closes the connection.
    Close,
}

impl Call {
    /// The request's body.
    pub(crate) fn read<R: Request + Decodable>(&self) -> R {
        R::decode(&mut self.body.clone(), self.version).unwrap()
    }

    /// Answers at once.
    pub(crate) fn answer(&self, response: &impl Encodable) -> Reply {
        self.answer_after(Duration::ZERO, response)
    }

    /// Answers after a while.
    pub(crate) fn answer_after(&self, wait: Duration, response: &impl Encodable) -> Reply {
        Reply::After(wait, self.frame(self.correlation_id, response))
    }

    /// An answer as it goes over the wire, for any correlation id.
    pub(crate) fn frame(&self, correlation_id: i32, response: &impl Encodable) -> Bytes {
        let mut body = BytesMut::new();
        ResponseHeader::default()
            .with_correlation_id(correlation_id)
            .encode(&mut body, self.api.response_header_version(self.version))
            .unwrap();
        response.encode(&mut body, self.version).unwrap();
        let mut frame = BytesMut::new();
        frame.put_u32(body.len() as u32);
        frame.put(body);
        frame.freeze()
    }

    /// What a broker that has everything says to ApiVersions.
    pub(crate) fn answer_versions(&self) -> Reply {
        self.answer(&all_versions())
    }
}

/// Every API in every version that there is.
pub(crate) fn all_versions() -> ApiVersionsResponse {
    let versions = (0..100).filter_map(|key| {
        let api = ApiKey::try_from(key).ok()?;
        let range = api.valid_versions();
        Some(
            ApiVersion::default()
                .with_api_key(key)
                .with_min_version(range.min)
                .with_max_version(range.max),
        )
    });
    ApiVersionsResponse::default().with_api_keys(versions.collect())
}

/// What is known of the cluster: brokers, and topics with their partitions' leaders.
pub(crate) fn metadata(
    brokers: &[(i32, SocketAddr)],
    topics: &[(&str, &[i32])],
) -> MetadataResponse {
    let brokers = brokers.iter().map(|(id, address)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(*id))
            .with_host(StrBytes::from_string(address.ip().to_string()))
            .with_port(i32::from(address.port()))
    });
    let topics = topics.iter().map(|(name, leaders)| {
        let partitions = leaders.iter().zip(0..).map(|(leader, index)| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(*leader))
                .with_leader_epoch(-1)
        });
        let code = if leaders.is_empty() {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else {
            ErrorCode::NONE
        };
        MetadataResponseTopic::default()
            .with_name(Some(topic_name(name)))
            .with_error_code(code.0)
            .with_partitions(partitions.collect())
    });
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_topics(topics.collect())
}

/// A peer that listens; it is gone when dropped.
pub(crate) struct Peer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    /// Listens, and does with each request but ApiVersions what the script says. The script gets
    /// the peer's own address too.
    pub(crate) async fn start(
        script: impl FnMut(&Call, SocketAddr) -> Reply + Send + 'static,
    ) -> Self {
        Self::start_raw(with_versions(script)).await
    }

    /// Listens, and does with each request what the script says.
    pub(crate) async fn start_raw(
        script: impl FnMut(&Call, SocketAddr) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(script));
        let (accepted, open) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (accepted_too, open_too) = (accepted.clone(), open.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepted_too.fetch_add(1, Ordering::SeqCst);
                let (script, open) = (script.clone(), open_too.clone());
                open.fetch_add(1, Ordering::SeqCst);
                connections.spawn(async move {
                    serve(stream, |call| (script.lock().unwrap())(call, address)).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            accepted,
            open,
            task,
        }
    }

    /// How many connections it has accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address that refuses, and that nobody else gets while this lives.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _bound: TcpSocket,
}

impl Refusing {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            _bound: socket,
        }
    }
}

fn with_versions(
    mut script: impl FnMut(&Call, SocketAddr) -> Reply,
) -> impl FnMut(&Call, SocketAddr) -> Reply {
    move |call, address| match call.api {
        ApiKey::ApiVersions => call.answer_versions(),
        _ => script(call, address),
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut script: impl FnMut(&Call) -> Reply,
) {
    while let Some(call) = next_call(&mut stream).await {
        let written = match script(&call) {
            Reply::Close => return,
            Reply::Nothing => continue,
            Reply::Raw(bytes) => stream.write_all(&bytes).await,
            Reply::After(wait, bytes) => {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                stream.write_all(&bytes).await
            }
        };
        if written.is_err() {
            return;
        }
    }
}

async fn next_call(stream: &mut (impl AsyncRead + Unpin)) -> Option<Call> {
    let length = stream.read_u32().await.ok()? as usize;
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await.ok()?;
    let mut body = Bytes::from(frame);
    let api = ApiKey::try_from(i16::from_be_bytes([body[0], body[1]])).unwrap();
    let version = i16::from_be_bytes([body[2], body[3]]);
    let header = RequestHeader::decode(&mut body, api.request_header_version(version)).unwrap();
    Some(Call {
        api,
        version,
        correlation_id: header.correlation_id,
        body,
    })
}

/// Waits until something is so; the test's own time limit is the bound.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
