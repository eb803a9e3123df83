//! The calls, each noted when it leaves and when it is answered.

use std::sync::Arc;

use levada_cluster::{Broker, RouteError, Table};
use levada_engine::proto::{ItemRead, ItemWrite, QueryTable, ReadItems, WriteItems, WriteStatus};
use levada_types::{AccountId, Region};

use super::item::{self, Form};
use super::{INDEX, NAME};
use crate::event::Event;
use crate::lease_event::{Answer, Call, LeaseEvent, Write};
use crate::net::MachineId;
use crate::workload::Shared;

/// Why a node has no answer.
enum Failed {
    NoTable,
    Unknown,
}

impl From<RouteError> for Failed {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NoSuchTable => Self::NoTable,
            _ => Self::Unknown,
        }
    }
}

/// Makes one call at a machine's node. None if nobody answers.
pub(super) async fn call(
    shared: &Shared,
    machine: MachineId,
    asked: Call,
    form: Form,
) -> Option<Answer> {
    let call = shared.take_number();
    shared.note(Event::Lease(LeaseEvent::Begun { call, asked }));
    let answered = shared.access.call(machine, move |broker| async move {
        let table = find(&broker).await?;
        match asked {
            Call::Write(number, write) => put(&broker, table, number, write, form).await,
            Call::Read(number) => get(&broker, table, number).await,
            Call::Scan => query(&broker, table, item::everything()).await,
            Call::OfOwner(owner) if !table.row.indexes.is_empty() => {
                let query_of = QueryTable {
                    index: INDEX.to_owned(),
                    hash: item::owner_of(owner).encode(),
                    ..item::everything()
                };
                query(&broker, table, query_of).await
            }
            // A node that has not heard of the index yet.
            Call::OfOwner(_) => Err(Failed::Unknown),
        }
    });
    match answered.await {
        Some(Ok(answer)) => {
            shared.note(Event::Lease(LeaseEvent::Answered {
                call,
                asked,
                answer: answer.clone(),
            }));
            Some(answer)
        }
        failed => {
            if matches!(failed, Some(Err(Failed::NoTable))) {
                shared.note(Event::Lease(LeaseEvent::NoTable { machine }));
            }
            shared.note(Event::Lease(LeaseEvent::Unanswered { call }));
            None
        }
    }
}

async fn find(broker: &Broker) -> Result<Arc<Table>, Failed> {
    let region = Region::us_east_1();
    let found = broker.find_table(AccountId::DEFAULT, &region, NAME).await?;
    found.ok_or(Failed::NoTable)
}

async fn put(
    broker: &Broker,
    table: Arc<Table>,
    number: u64,
    write: Write,
    form: Form,
) -> Result<Answer, Failed> {
    let one = ItemWrite {
        table: table.row.table,
        version: table.row.config_version,
        ..item::write_of(number, write, form)
    };
    let writes = WriteItems {
        writes: vec![one],
        ..WriteItems::default()
    };
    let done = broker.write_items(&[table], writes).await?;
    let result = done.results.into_iter().next().ok_or(Failed::Unknown)?;
    let shown = item::read(&result.item);
    match (result.status(), shown) {
        (WriteStatus::Done, shown) if form.wants_before => Ok(Answer::DoneOn(shown)),
        (WriteStatus::Done, Some(shown)) => Ok(Answer::DoneTo(shown)),
        (WriteStatus::ConditionFailed, shown) => Ok(Answer::Refused(shown)),
        _ => Err(Failed::Unknown),
    }
}

async fn get(broker: &Broker, table: Arc<Table>, number: u64) -> Result<Answer, Failed> {
    let one = ItemRead {
        table: table.row.table,
        version: table.row.config_version,
        key: item::key(number),
        projection: Vec::new(),
    };
    let read = ReadItems {
        reads: vec![one],
        bytes_max: u64::MAX,
    };
    let reply = broker.read_items(&[table], &read).await?;
    let found = reply.items.first().ok_or(Failed::Unknown)?;
    Ok(Answer::Found(item::read(&found.item).into_iter().collect()))
}

async fn query(broker: &Broker, table: Arc<Table>, query: QueryTable) -> Result<Answer, Failed> {
    let query = QueryTable {
        table: table.row.table,
        version: table.row.config_version,
        ..query
    };
    let page = broker.query_table(&table, &query).await?;
    Ok(Answer::Found(item::read_all(&page.items)))
}
