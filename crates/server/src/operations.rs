//! `POST /_levada/...`: operations as JSON. What each does is the cluster's; here are only its words.

use bytes::Bytes;
use levada_cluster::backup::{Opened, Seen};
use levada_cluster::{
    ClusterReport, ClusterStatus, NodeReport, OperationError, Operator, PartitionReport,
};
use levada_gateway::{AdminAnswer, Operation};
use levada_types::PartitionId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::status;

/// Times that an operation is tried whose members change under it.
const TRIES_MAX: usize = 3;

/// Everything that an operation may be told.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    partition: Option<u32>,
    to: Option<String>,
    node: Option<String>,
    address: Option<String>,
    count: Option<u32>,
    session: Option<u32>,
    rows_from: Option<usize>,
    blocks_from: Option<usize>,
}

/// Carries out `name` on the node, if there is one yet.
pub(crate) fn operate(
    node: Option<(Operator, ClusterStatus)>,
    name: &str,
    body: Bytes,
) -> Operation {
    let name = name.to_owned();
    Box::pin(async move {
        let Some((operator, status)) = node else {
            return failed(
                503,
                "the node is waiting for the other nodes of its cluster",
            );
        };
        let request = match serde_json::from_slice::<Request>(&body) {
            Ok(request) => request,
            Err(e) => return failed(400, &format!("the body is not what {name} takes: {e}")),
        };
        if name == "backup/read" {
            return read(&operator, &request).await;
        }
        let mut outcome = run(&operator, &status, &name, &request).await;
        // A node that says where it is reached changes the members too. Each try looks again.
        for _ in 1..TRIES_MAX {
            if !matches!(outcome, Some(Err(OperationError::Raced))) {
                break;
            }
            outcome = run(&operator, &status, &name, &request).await;
        }
        match outcome {
            Some(Ok(document)) => answer(200, &document),
            Some(Err(e)) => failed(status_of(&e), &e.to_string()),
            None => failed(404, &format!("there is no operation {name}")),
        }
    })
}

async fn run(
    operator: &Operator,
    status: &ClusterStatus,
    name: &str,
    request: &Request,
) -> Option<Result<Value, OperationError>> {
    let missing = |what: &str| OperationError::Unknown(format!("{name} needs {what}"));
    let node = || request.node.as_deref().ok_or_else(|| missing("a node"));
    let named = |node: levada_types::NodeId| json!({ "node": node.to_string() });
    let result = async {
        Ok(Some(match name {
            "cluster/transfer" => {
                let partition = request.partition.ok_or_else(|| missing("a partition"))?;
                let to = request.to.as_deref().ok_or_else(|| missing("a node"))?;
                let to = operator.transfer(PartitionId(partition), to).await?;
                json!({ "partition": partition, "leader": to.to_string() })
            }
            "cluster/rebalance" => {
                operator.rebalance().await?;
                json!({})
            }
            "cluster/drain" => named(operator.set_draining(node()?, true).await?),
            "cluster/undrain" => named(operator.set_draining(node()?, false).await?),
            "cluster/step-down" => json!({ "handed_over": operator.step_down().await }),
            "cluster/add" => {
                let address = request.address.as_deref();
                operator
                    .add(address.ok_or_else(|| missing("an address"))?)
                    .await?;
                json!({ "members": status.members.iter().map(|m| &m.peer_address).collect::<Vec<_>>() })
            }
            "cluster/remove" => named(operator.remove(node()?).await?),
            "cluster/replace" => named(operator.replace(node()?).await?),
            "cluster/cancel" => {
                operator.cancel().await?;
                json!({})
            }
            "cluster/partitions" => {
                let count = request.count.ok_or_else(|| missing("a count"))?;
                let before = operator.raise_partitions(count).await?;
                json!({ "before": before, "partitions": count })
            }
            "backup/begin" => {
                let begun = operator.backup_begin().await?;
                let partitions: serde_json::Map<_, _> = begun
                    .iter()
                    .map(|(p, s)| (p.to_string(), seen(s)))
                    .collect();
                json!({ "cluster": format!("{:016x}", status.cluster), "partitions": partitions })
            }
            "backup/open" => {
                let partition = request.partition.ok_or_else(|| missing("a partition"))?;
                opened(&operator.backup_open(PartitionId(partition)).await?)
            }
            "backup/close" => {
                operator
                    .backup_close(request.session.ok_or_else(|| missing("a session"))?)
                    .await;
                json!({})
            }
            "report" => report(&operator.report().await),
            _ => return Ok(None),
        }))
    };
    result.await.transpose()
}

/// A piece of a backup, as it is.
async fn read(operator: &Operator, request: &Request) -> AdminAnswer {
    let chunk = operator.backup_read(
        request.session.unwrap_or(0),
        request.rows_from.unwrap_or(0),
        request.blocks_from.unwrap_or(0),
    );
    match chunk.await {
        Ok(chunk) => AdminAnswer {
            status: 200,
            content_type: "application/octet-stream",
            body: chunk.0,
        },
        Err(e) => failed(status_of(&e), &e.to_string()),
    }
}

fn opened(opened: &Opened) -> Value {
    json!({
        "session": opened.session,
        "applied_index": opened.applied_index,
        "rows": opened.rows,
        "blocks": opened.blocks,
        "seen": seen(&opened.seen),
    })
}

/// What a partition says of transfers.
fn seen(seen: &Seen) -> Value {
    let marks = |marks: &std::collections::BTreeMap<u32, u64>| -> Value {
        marks
            .iter()
            .map(|(p, n)| (p.to_string(), Value::from(*n)))
            .collect()
    };
    json!({ "acknowledged": marks(&seen.acknowledged), "applied": marks(&seen.applied) })
}

/// The cluster by the word of each member.
fn report(report: &ClusterReport) -> Value {
    let members = report.members.iter().map(|(node, said)| {
        let mut member = match said {
            Ok(said) => member(said),
            Err(why) => json!({ "error": why }),
        };
        member["node"] = json!(node.to_string());
        member
    });
    let partitions = report.partitions.iter().map(|(id, p)| partition(*id, p));
    json!({
        "partition_count": report.partition_count,
        "unfinished": report.unfinished(),
        "members": members.collect::<Vec<_>>(),
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

fn member(report: &NodeReport) -> Value {
    json!({
        "version": report.version,
        "clock_ahead_ms": report.clock_ahead_ms,
        "clock_error_ms": report.clock_error_ms,
        "disk_free_bytes": report.disk_free_bytes,
        "disk_total_bytes": report.disk_total_bytes,
    })
}

fn partition(id: PartitionId, partition: &PartitionReport) -> Value {
    let names = |nodes: &std::collections::BTreeSet<levada_types::NodeId>| {
        nodes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    json!({
        "partition": id.0,
        "leader": partition.leader.to_string(),
        "term": partition.term,
        "voters": names(&partition.voters),
        "learners": names(&partition.learners),
        "settled": partition.settled,
        "bytes_per_s": partition.bytes_per_s,
        "lag": status::lag(&partition.lag),
    })
}

fn status_of(error: &OperationError) -> u16 {
    match error {
        OperationError::Refused(_) | OperationError::Raced => 409,
        OperationError::Unknown(_) => 404,
        OperationError::Unavailable(_) => 503,
    }
}

pub(crate) fn answer(status: u16, document: &Value) -> AdminAnswer {
    AdminAnswer {
        status,
        content_type: "application/json",
        body: document.to_string().into(),
    }
}

pub(crate) fn failed(status: u16, why: &str) -> AdminAnswer {
    answer(status, &json!({ "error": why }))
}
