//! Carries out what the records' machine asks for: requests to leaders, fresh metadata. The same
//! for both producers, each with a machine of its own around it.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::Instant;

use super::books::{Books, Records};
use super::desk::Desk;
use super::produce::{Encoding, Turns, produce};
use crate::Error;
use crate::clock::now;
use crate::cluster::{Channel, Client, Metadata};
use crate::producer::{BatchOut, Effect, PartitionAnswer, RequestFailure, RequestId};

/// What has come for the machine.
pub(in crate::producer) enum Carried {
    Produced(RequestId, Result<Vec<PartitionAnswer>, RequestFailure>),
    Refreshed(Result<Arc<Metadata>, Error>),
    /// There is a new snapshot of the cluster.
    Metadata,
}

pub(in crate::producer) struct Carrier {
    client: Client,
    encoding: Encoding,
    metadata: watch::Receiver<Arc<Metadata>>,
    channel: Channel,
    turns: HashMap<i32, Turns>,
    under_way: FuturesUnordered<BoxFuture<'static, Carried>>,
    refreshing: bool,
}

impl Carrier {
    pub(in crate::producer) fn new(client: Client) -> Self {
        Self {
            encoding: Encoding::default(),
            metadata: client.watch_metadata(),
            channel: client.channel(),
            client,
            turns: HashMap::new(),
            under_way: FuturesUnordered::new(),
            refreshing: false,
        }
    }

    /// From now on batches are a transaction's, and their requests bear its id.
    pub(in crate::producer) fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    /// The next thing that has come. Cancel safe.
    pub(in crate::producer) async fn next(&mut self) -> Carried {
        tokio::select! {
            Some(carried) = self.under_way.next() => carried,
            Ok(()) = self.metadata.changed() => Carried::Metadata,
            else => std::future::pending().await,
        }
    }

    /// Tells the machine what has come.
    pub(in crate::producer) fn handle<M: Records>(
        &mut self,
        books: &mut Books<M>,
        carried: Carried,
    ) {
        match carried {
            Carried::Produced(request, answer) => {
                let records = books.machine.records();
                records.handle_produce_response(request, answer, now());
            }
            Carried::Refreshed(outcome) => {
                self.refreshing = false;
                if outcome.is_ok() {
                    books.handle_metadata();
                }
            }
            Carried::Metadata => books.handle_metadata(),
        }
    }

    pub(in crate::producer) fn carry_out<M: Records>(
        &mut self,
        effect: Effect,
        desk: &Desk<M>,
        books: &mut Books<M>,
    ) {
        match effect {
            // Not for leaders: the machine's owner sees to them.
            Effect::InitProducerId | Effect::Enlist(_) => {}
            Effect::Done {
                batch,
                places,
                result,
            } => desk.end(books, batch, places, result),
            Effect::Produce {
                request,
                node,
                batches,
            } => self.produce(request, node, batches),
            Effect::RefreshMetadata => self.refresh_metadata(),
        }
    }

    /// The machine has to hear of fresh metadata even where it is what was known before: the
    /// leader that it took for lost may be the one that it still has to send to.
    fn refresh_metadata(&mut self) {
        if std::mem::replace(&mut self.refreshing, true) {
            return;
        }
        let client = self.client.clone();
        self.under_way.push(Box::pin(async move {
            let deadline = Instant::now() + client.config().request_timeout;
            Carried::Refreshed(client.refresh(deadline).await)
        }));
    }

    fn produce(&mut self, request: RequestId, node: i32, batches: Vec<BatchOut>) {
        let channel = self.channel.clone();
        let timeout = self.client.config().request_timeout;
        let encoding = self.encoding.clone();
        let turns = self.turns.entry(node).or_default().clone();
        // Its turn is the order in which it is first polled, and so that of this call.
        self.under_way.push(Box::pin(async move {
            let answer = produce(&channel, node, batches, encoding, turns, timeout).await;
            Carried::Produced(request, answer)
        }));
    }
}
