//! Items from tables, as the partition's leader has them, which makes sure first that it still leads.

use std::sync::Arc;

use bytes::Bytes;
use levada_engine::proto::{
    Misread, QueryTable, ReadItems, ReadItemsReply, TablePage, TableSizeReply, TableSizeRequest,
};
use levada_rpc::RemoteError;
use levada_types::{PartitionId, QueueId};
use prost::Message as _;

use super::Table;
use crate::ask::{Asked, led_and_current};
use crate::broker::Broker;
use crate::core::Core;
use crate::handler::malformed;
use crate::{RouteError, method};

/// Tries of one read, of which each brings one more table up to the catalog.
const ATTEMPTS_MAX: usize = 8;

impl Broker {
    /// Items of some tables of one partition, as they are at one moment.
    pub async fn read_items(
        &self,
        tables: &[Arc<Table>],
        read: &ReadItems,
    ) -> Result<ReadItemsReply, RouteError> {
        let partition = tables.first().ok_or(RouteError::NoSuchTable)?.partition();
        for _ in 0..ATTEMPTS_MAX {
            let reply: ReadItemsReply = self
                .ask_leader_for(Asked::Table, partition, method::READ_ITEMS, read)
                .await?;
            match &reply.misread {
                None => return Ok(reply),
                Some(Misread { table, dropped }) => {
                    self.bring_up_table(tables, *table, *dropped).await?;
                }
            }
        }
        Err(RouteError::Unavailable)
    }

    /// A page of a table's items.
    pub async fn query_table(
        &self,
        table: &Arc<Table>,
        query: &QueryTable,
    ) -> Result<TablePage, RouteError> {
        for _ in 0..ATTEMPTS_MAX {
            let page: TablePage = self
                .ask_leader_for(Asked::Table, table.partition(), method::QUERY_TABLE, query)
                .await?;
            match &page.misread {
                None => return Ok(page),
                Some(m) => {
                    let tables = std::slice::from_ref(table);
                    self.bring_up_table(tables, m.table, m.dropped).await?;
                }
            }
        }
        Err(RouteError::Unavailable)
    }
}

pub(super) async fn size(broker: &Broker, table: &Table) -> Result<TableSizeReply, RouteError> {
    let request = TableSizeRequest {
        table: table.row.table,
    };
    let partition = table.partition();
    broker
        .ask_leader_for(Asked::Table, partition, method::TABLE_SIZE, &request)
        .await
}

/// Answers a peer that reads of tables.
pub(crate) async fn answer(
    core: &Core,
    method: u32,
    partition: PartitionId,
    body: Bytes,
) -> Result<Bytes, RemoteError> {
    let group = led_and_current(core, partition).await?;
    let reply = match method {
        method::READ_ITEMS => {
            let request = ReadItems::decode(body).map_err(malformed)?;
            group.read(|p| p.read_items(&request)).encode_to_vec()
        }
        method::QUERY_TABLE => {
            let request = QueryTable::decode(body).map_err(malformed)?;
            group.read(|p| p.query_table(&request)).encode_to_vec()
        }
        method::TABLE_SIZE => {
            let request = TableSizeRequest::decode(body).map_err(malformed)?;
            group
                .read(|p| p.table_size(QueueId(request.table)))
                .encode_to_vec()
        }
        other => return Err(malformed(format!("no such method of a table: {other}"))),
    };
    Ok(reply.into())
}
