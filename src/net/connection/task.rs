//! The task that owns a connection's socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::net::connect::Stream;
use crate::net::connection::ConnectionConfig;
use crate::net::connection::output::Output;
use crate::net::pipeline::Pipeline;
use crate::net::tls;
use crate::net::traffic::Traffic;
use crate::wire::frame::{self, Frame};
use crate::{Error, ErrorKind};

/// Requests that may wait for their answers; more stay in the queue.
pub(super) const MAX_UNDER_WAY: usize = 256;
/// Bytes that may wait to be written before another request is taken from the queue.
const MAX_UNWRITTEN_BYTES: usize = 1 << 20;
/// How long a peer may take to let itself be told that the stream is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A request on its way to the socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) frame: Frame,
    pub(super) deadline: Instant,
    pub(super) reply: Reply,
}

/// Where its answer is waited for.
type Reply = oneshot::Sender<Result<Bytes, Error>>;

/// Owns the socket until it is closed.
pub(super) struct Task {
    queue: mpsc::Receiver<Outgoing>,
    pipeline: Pipeline<Reply>,
    input: BytesMut,
    output: Output,
    peer: Arc<str>,
    max_frame_bytes: usize,
    max_idle: Duration,
    traffic: Arc<Traffic>,
    /// How many answers have come.
    answered: u64,
    /// Bytes were given to the stream that it may hold back: TLS does.
    unflushed: bool,
}

impl Task {
    pub(super) fn new(
        queue: mpsc::Receiver<Outgoing>,
        peer: Arc<str>,
        config: &ConnectionConfig,
    ) -> Self {
        config.traffic.opened();
        Self {
            queue,
            pipeline: Pipeline::default(),
            input: BytesMut::new(),
            output: Output::default(),
            peer,
            max_frame_bytes: config.max_frame_bytes,
            max_idle: config.max_idle,
            traffic: config.traffic.clone(),
            answered: 0,
            unflushed: false,
        }
    }

    /// Serves the stream until it is closed, and answers all who wait.
    pub(super) async fn run(mut self, stream: Box<dyn Stream>) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let end = self.serve(&mut reader, &mut writer).await;
        self.traffic.closed();
        self.queue.close();
        let lost = match end {
            Ok(()) => None,
            Err(error) => {
                tracing::debug!(peer = %self.peer, %error, "connection closed");
                Some(error)
            }
        };
        let now = Instant::now().into_std();
        let peer = self.peer.clone();
        let error = |late: bool| match &lost {
            _ if late => Error::new(ErrorKind::Timeout, format!("{peer}: no answer in time")),
            Some(error) => error.clone(),
            None => Error::new(
                ErrorKind::Closed,
                format!("{peer}: the connection was closed"),
            ),
        };
        for (reply, late) in self.pipeline.abandon(now) {
            // Nobody waiting any more is fine.
            let _ = reply.send(Err(error(late)));
        }
        while let Ok(waiting) = self.queue.try_recv() {
            let _ = waiting.reply.send(Err(error(false)));
        }
        // Over TLS a close is a message, and a peer that reads nothing would hold it up for ever.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, writer.shutdown()).await;
    }

    /// Moves bytes until all handles are gone (`Ok`) or the connection can't be used any more.
    async fn serve(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Error> {
        let mut idle_until = Instant::now() + self.max_idle;
        loop {
            let until = self
                .pipeline
                .next_deadline()
                .map_or(idle_until, Instant::from_std);
            tokio::select! {
                read = reader.read_buf(&mut self.input) => {
                    self.received(read)?;
                }
                written = write(writer, &mut self.output, &mut self.unflushed, &self.traffic),
                    if self.unflushed || self.output.has_remaining() =>
                {
                    written.map_err(|error| self.broken(error))?;
                }
                next = self.queue.recv(), if self.has_room() => match next {
                    Some(outgoing) => self.accept(outgoing),
                    None => return Ok(()),
                },
                () = tokio::time::sleep_until(until) => {
                    let why = if self.pipeline.is_empty() { "idle" } else { "no answer in time" };
                    return Err(self.error(why));
                }
            }
            idle_until = Instant::now() + self.max_idle;
        }
    }

    /// A peer that neither reads nor answers has callers wait, not the memory fill.
    fn has_room(&self) -> bool {
        self.output.remaining() < MAX_UNWRITTEN_BYTES && self.pipeline.len() < MAX_UNDER_WAY
    }

    fn accept(&mut self, mut outgoing: Outgoing) {
        if outgoing.reply.is_closed() {
            return;
        }
        let id = self
            .pipeline
            .begin(outgoing.deadline.into_std(), outgoing.reply);
        outgoing.frame.set_correlation_id(id);
        self.output.push(outgoing.frame);
    }

    fn received(&mut self, read: io::Result<usize>) -> Result<(), Error> {
        let bytes = read.map_err(|error| self.broken(error))?;
        if bytes == 0 {
            return Err(self.closed());
        }
        self.traffic.received(bytes);
        while let Some(answer) = self.next_frame()? {
            let Some(id) = answer.first_chunk::<4>() else {
                return Err(self.protocol("an answer without a correlation id"));
            };
            let reply = self
                .pipeline
                .complete(i32::from_be_bytes(*id))
                .map_err(|error| self.protocol(&error.to_string()))?;
            let _ = reply.send(Ok(answer));
            self.answered += 1;
        }
        Ok(())
    }

    /// A broker tells its versions to everyone, and then closes a connection that should have
    /// begun with a login and did not.
    fn closed(&self) -> Error {
        let why = "the broker closed the connection";
        if self.answered == 1 {
            self.error(&format!(
                "{why} at the first request (does the port want a login: security.protocol?)"
            ))
        } else {
            self.error(why)
        }
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, Error> {
        frame::split(&mut self.input, self.max_frame_bytes)
            .map_err(|error| Error::caused(ErrorKind::Protocol, self.peer.to_string(), error))
    }

    fn broken(&self, error: io::Error) -> Error {
        tls::broken(&self.peer, error)
    }

    fn error(&self, why: &str) -> Error {
        Error::new(ErrorKind::Connection, format!("{}: {why}", self.peer))
    }

    fn protocol(&self, why: &str) -> Error {
        Error::new(ErrorKind::Protocol, format!("{}: {why}", self.peer))
    }
}

/// Gives the stream what is to be written; where that is all, has it pass on what it holds back.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut Output,
    unflushed: &mut bool,
    traffic: &Traffic,
) -> io::Result<()> {
    if output.has_remaining() {
        traffic.sent(writer.write_buf(output).await?);
        *unflushed = true;
    } else {
        writer.flush().await?;
        *unflushed = false;
    }
    Ok(())
}
