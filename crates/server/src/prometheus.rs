//! The page of `/metrics`, in Prometheus's text format. Names and meanings: `docs/configuration.md`.
//!
//! A node reports the parts of queues that it leads: sum over nodes for the whole.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use levada_cluster::{Broker, ClusterStatus, NodeStats};
use levada_gateway::{LATENCY_BOUNDS_MICROS, MetricFigures, Outcome, RequestMetrics};

use crate::deliver::Statuses;
use crate::process::Process;

/// Figures of a node at one moment.
pub(crate) struct NodeFigures {
    pub(crate) status: ClusterStatus,
    pub(crate) stats: NodeStats,
    pub(crate) broker: Broker,
}

/// The whole page.
pub(crate) fn page(
    requests: &RequestMetrics,
    deliveries: &Statuses,
    node: Option<&NodeFigures>,
    ready: bool,
    up: Duration,
) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    page.family("levada_build_info", "gauge", "1, with the version");
    page.line(
        "levada_build_info",
        &[("version", &env!("CARGO_PKG_VERSION"))],
        1,
    );
    page.single(
        "levada_ready",
        "gauge",
        "Whether clients can be served here",
        u8::from(ready),
    );
    page.single(
        "levada_uptime_seconds",
        "gauge",
        "Time since the start",
        up.as_secs(),
    );
    write_process(&mut page);
    write_requests(&mut page, requests);
    write_reported(&mut page, requests);
    write_deliveries(&mut page, deliveries);
    page.single(
        "levada_topic_copies_refused_total",
        "counter",
        "Copies of what was published that policies of queues of other accounts did not let in",
        requests.refused_by_queues(),
    );
    if let Some(node) = node {
        write_queues(&mut page, node);
        write_stream_queues(&mut page, node);
        write_partitions(&mut page, &node.status);
        write_disk(&mut page, &node.stats);
    }
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.0.push_str(name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let open = if n == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"{}\"", escaped(&text.to_string()));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.line(name, &[], value);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn write_process(page: &mut Page) {
    let process = Process::look();
    if let Some(bytes) = process.resident_bytes {
        page.single(
            "process_resident_memory_bytes",
            "gauge",
            "Memory of the process that is in use",
            bytes,
        );
    }
    if let Some(seconds) = process.cpu_seconds {
        page.single(
            "process_cpu_seconds_total",
            "counter",
            "CPU time since the start",
            seconds,
        );
    }
    if let Some(files) = process.open_files {
        page.single("process_open_fds", "gauge", "Open files and sockets", files);
    }
}

fn write_deliveries(page: &mut Page, deliveries: &Statuses) {
    const TOTAL: &str = "levada_deliveries_total";
    const DWELL: &str = "levada_delivery_dwell_seconds_sum";
    const UNDER_WAY: &str = "levada_deliveries_under_way";
    let all: Vec<_> = deliveries.snapshots().collect();
    page.family(
        TOTAL,
        "counter",
        "Attempts to deliver to subscriptions, and messages given up",
    );
    for (protocol, status) in &all {
        for (result, count) in [
            ("delivered", status.delivered),
            ("failed", status.failed),
            ("not_tried", status.not_tried),
            ("given_up", status.given_up),
        ] {
            page.line(TOTAL, &[("protocol", protocol), ("result", &result)], count);
        }
    }
    page.family(
        DWELL,
        "counter",
        "From publishing to delivery, of all that was delivered",
    );
    for (protocol, status) in &all {
        page.line(
            DWELL,
            &[("protocol", protocol)],
            status.dwell_ms_sum as f64 / 1e3,
        );
    }
    page.family(UNDER_WAY, "gauge", "Attempts under way");
    for (protocol, status) in &all {
        page.line(UNDER_WAY, &[("protocol", protocol)], status.in_flight);
    }
}

fn write_requests(page: &mut Page, requests: &RequestMetrics) {
    page.single(
        "levada_http_connections",
        "gauge",
        "Open connections of clients",
        requests.connections(),
    );
    let refused = requests.connections_refused();
    page.single(
        "levada_http_connections_refused_total",
        "counter",
        "Connections that were one too many",
        refused,
    );
    let overdue = requests.connections_overdue();
    page.single(
        "levada_http_connections_overdue_total",
        "counter",
        "Connections cut off for being slow or idle",
        overdue,
    );
    page.single(
        "levada_tls_handshakes_failed_total",
        "counter",
        "TLS handshakes that failed or took too long",
        requests.handshakes_failed(),
    );
    let actions = requests.actions();
    let name = "levada_requests_total";
    page.family(name, "counter", "Requests by action and result");
    for action in &actions {
        for (outcome, count) in Outcome::ALL
            .iter()
            .zip(action.outcomes)
            .filter(|(_, count)| *count > 0)
        {
            page.line(
                name,
                &[("action", &action.action), ("result", &outcome.as_str())],
                count,
            );
        }
    }
    page.family(
        "levada_request_duration_seconds",
        "histogram",
        "Time from a request's head to its answer, waits of long polls included",
    );
    for action in &actions {
        let label: (&str, &dyn Display) = ("action", &action.action);
        let mut sum = 0;
        for (n, count) in action.buckets.iter().enumerate() {
            sum += count;
            let bucket = "levada_request_duration_seconds_bucket";
            match LATENCY_BOUNDS_MICROS.get(n) {
                Some(bound) => page.line(bucket, &[label, ("le", &seconds(*bound))], sum),
                None => page.line(bucket, &[label, ("le", &"+Inf")], sum),
            }
        }
        page.line(
            "levada_request_duration_seconds_sum",
            &[label],
            seconds(action.micros_sum),
        );
        page.line("levada_request_duration_seconds_count", &[label], sum);
    }
}

/// What client libraries have reported to this node, as they would to CloudWatch.
fn write_reported(page: &mut Page, requests: &RequestMetrics) {
    let reported = requests.reported();
    if reported.is_empty() {
        return;
    }
    type Of = fn(&MetricFigures) -> f64;
    let families: [(&str, &str, &str, Of); 4] = [
        (
            "levada_reported_values_total",
            "counter",
            "Values that were reported",
            |f| f.count,
        ),
        ("levada_reported_sum", "gauge", "Their sum", |f| f.sum),
        (
            "levada_reported_minimum",
            "gauge",
            "The least of them",
            |f| f.minimum,
        ),
        (
            "levada_reported_maximum",
            "gauge",
            "The greatest of them",
            |f| f.maximum,
        ),
    ];
    for (name, kind, help, figure) in families {
        page.family(name, kind, help);
        for (id, figures) in &reported {
            let labels: [(&str, &dyn Display); 5] = [
                ("account", &id.account),
                ("region", &id.region),
                ("namespace", &id.namespace),
                ("metric", &id.name),
                ("dimensions", &id.dimensions),
            ];
            page.line(name, &labels, figure(figures));
        }
    }
}

fn write_queues(page: &mut Page, node: &NodeFigures) {
    let named = node
        .stats
        .queues
        .iter()
        .filter_map(|figures| Some((node.broker.queue(figures.0)?, figures)))
        // Delivery queues have names that no user knows.
        .filter(|(queue, _)| queue.subscription.is_none());
    let named: Vec<_> = named.collect();
    let name = "levada_queue_messages";
    page.family(
        name,
        "gauge",
        "Messages in the parts of a queue that this node leads",
    );
    for (queue, (_, counts, _)) in &named {
        for (state, count) in [
            ("ready", counts.ready),
            ("in_flight", counts.in_flight),
            ("delayed", counts.delayed),
        ] {
            let labels: [(&str, &dyn Display); 4] = [
                ("account", &queue.account),
                ("region", &queue.region),
                ("queue", &queue.name),
                ("state", &state),
            ];
            page.line(name, &labels, count);
        }
    }
    let name = "levada_queue_oldest_message_age_seconds";
    page.family(
        name,
        "gauge",
        "Age of the oldest message that can be received, in the parts that this node leads",
    );
    for (queue, (_, _, age_ms)) in &named {
        let labels: [(&str, &dyn Display); 3] = [
            ("account", &queue.account),
            ("region", &queue.region),
            ("queue", &queue.name),
        ];
        page.line(name, &labels, *age_ms as f64 / 1e3);
    }
}

fn write_stream_queues(page: &mut Page, node: &NodeFigures) {
    let name = "levada_stream_queue_expired_records";
    page.family(
        name,
        "gauge",
        "Records that expired before a queue had them acknowledged, of the shards that this node leads",
    );
    for (id, expired) in &node.stats.expired_in_stream_queues {
        let Some(queue) = node.broker.stream_queue(id.0) else {
            continue;
        };
        let labels: [(&str, &dyn Display); 4] = [
            ("account", &queue.stream.account),
            ("region", &queue.stream.region),
            ("stream", &queue.stream.row.name),
            ("queue", &queue.row().name),
        ];
        page.line(name, &labels, expired);
    }
}

fn write_partitions(page: &mut Page, status: &ClusterStatus) {
    let of_each =
        |page: &mut Page,
         name: &str,
         help: &str,
         value: &dyn Fn(&levada_cluster::PartitionStatus) -> Option<u64>| {
            page.family(name, "gauge", help);
            for partition in &status.partitions {
                // Of a partition that has no copy here most is not known.
                if let Some(value) = value(partition) {
                    page.line(name, &[("partition", &partition.partition.0)], value);
                }
            }
        };
    of_each(page, "levada_partition_term", "Raft term", &|p| {
        Some(p.copy.as_ref()?.term)
    });
    of_each(
        page,
        "levada_partition_is_leader",
        "Whether this node leads the partition",
        &|p| Some(u64::from(p.leader == Some(status.node))),
    );
    of_each(
        page,
        "levada_partition_has_leader",
        "Whether this node knows a leader",
        &|p| Some(u64::from(p.leader.is_some())),
    );
    of_each(
        page,
        "levada_partition_last_log_index",
        "The last entry in this node's log",
        &|p| Some(p.copy.as_ref()?.last_log_index),
    );
    of_each(
        page,
        "levada_partition_applied_index",
        "The last entry applied on this node",
        &|p| Some(p.copy.as_ref()?.applied_index),
    );
    let name = "levada_partition_lag_entries";
    page.family(
        name,
        "gauge",
        "At the leader: by how many entries a member lags",
    );
    for partition in &status.partitions {
        for (node, lag) in &partition.lag {
            page.line(
                name,
                &[("partition", &partition.partition.0), ("node", node)],
                lag,
            );
        }
    }
    let name = "levada_member_up";
    page.family(name, "gauge", "Whether this node can reach a member");
    for member in &status.members {
        let up = u8::from(matches!(member.state, "up" | "self"));
        page.line(
            name,
            &[("node", &member.node), ("address", &member.peer_address)],
            up,
        );
    }
}

fn write_disk(page: &mut Page, stats: &NodeStats) {
    let summary = |page: &mut Page, name: &str, help: &str, count: u64, micros: u64| {
        page.family(name, "summary", help);
        page.line(&format!("{name}_sum"), &[], seconds(micros));
        page.line(&format!("{name}_count"), &[], count);
    };
    page.single(
        "levada_log_bytes",
        "gauge",
        "Bytes of the Raft log's files",
        stats.log_disk_bytes,
    );
    page.single(
        "levada_segment_bytes",
        "gauge",
        "Bytes of the segment files",
        stats.segment_disk_bytes,
    );
    summary(
        page,
        "levada_fsync_duration_seconds",
        "Syncs of the Raft log",
        stats.fsyncs,
        stats.fsync_micros_sum,
    );
    let help = "Time from a proposal to its commit, of proposals made here";
    summary(
        page,
        "levada_commit_duration_seconds",
        help,
        stats.commits,
        stats.commit_micros_sum,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_a_node_is_well_formed() {
        let text = page(
            &RequestMetrics::default(),
            &Statuses::default(),
            None,
            false,
            Duration::from_secs(3),
        );
        assert!(
            text.contains("\nlevada_ready 0\n") && text.contains("\nlevada_uptime_seconds 3\n")
        );
        let deliveries = "levada_deliveries_total{protocol=\"email-json\",result=\"given_up\"} 0\n";
        assert!(text.contains(deliveries) && !text.contains("protocol=\"sqs\""));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(
                value.parse::<f64>().is_ok() && name.starts_with(|c: char| c.is_ascii_lowercase()),
                "{line}"
            );
        }
    }

    #[test]
    fn labels_are_escaped() {
        let mut page = Page(String::new());
        page.line("a", &[("b", &"x\"y\\z\n"), ("c", &1)], 2);
        assert_eq!(page.0, "a{b=\"x\\\"y\\\\z\\n\",c=\"1\"} 2\n");
    }
}
