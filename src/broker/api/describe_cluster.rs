//! DescribeCluster, versions 0 to 2: the nodes that are up (KIP-700).
//!
//! Left out: authorized operations, racks, fenced nodes, the controllers' own endpoints.

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::{Call, Refuse};
use crate::wire::ErrorCode;
use crate::wire::names::text;

/// `endpoint_type` of brokers.
const BROKERS: i8 = 1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        return request.refuse(ErrorCode::MISMATCHED_ENDPOINT_TYPE);
    }
    let state = call.shared.state();
    let brokers = state.nodes.reachable(call.listener).map(|(id, address)| {
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(id))
            .with_host(text(&address.ip().to_string()))
            .with_port(i32::from(address.port()))
    });
    DescribeClusterResponse::default()
        .with_cluster_id(text(crate::broker::CLUSTER_ID))
        .with_controller_id(BrokerId(state.nodes.controller().unwrap_or(-1)))
        .with_endpoint_type(request.endpoint_type)
        .with_brokers(brokers.collect())
}

impl Refuse for DescribeClusterRequest {
    fn refuse(&self, code: ErrorCode) -> DescribeClusterResponse {
        DescribeClusterResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(text(code.description())))
            .with_endpoint_type(self.endpoint_type)
    }
}
