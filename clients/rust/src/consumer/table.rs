//! The lease table: every call to it. Whatever is written is written on the condition that nobody wrote since it was read.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableStatus,
};
use tokio::time::{Duration, Instant};

use super::item::{self, Item, names, number, text};
use super::lease::{Change, Lease};
use crate::backoff::Backoff;
use crate::error::{CallError, within};
use crate::limits::{ACTIVE_TIMEOUT, CALL_TIMEOUT, PAGES_MAX};

/// A table of leases, as one worker sees it.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    client: Client,
    /// The application's name.
    name: String,
    worker: String,
}

/// Why a lease was not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// Somebody wrote it since. What it is now, if it is there.
    Lost(Option<Box<Lease>>),
    /// It is not known whether it was written.
    Failed(CallError),
}

impl Table {
    pub(crate) fn new(client: Client, application: &str, worker: &str) -> Self {
        Self {
            client,
            name: application.to_owned(),
            worker: worker.to_owned(),
        }
    }

    /// Makes the table if it is not there, and waits until it can be used.
    pub(crate) async fn ensure(&self) -> Result<(), CallError> {
        let deadline = Instant::now() + ACTIVE_TIMEOUT;
        let mut backoff = Backoff::default();
        loop {
            let call = self.client.describe_table().table_name(&self.name).send();
            match within("DescribeTable", CALL_TIMEOUT, call).await {
                Ok(answer) => {
                    let status = answer.table.and_then(|table| table.table_status);
                    if matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
                        return Ok(());
                    }
                }
                Err(error) if error.is("ResourceNotFoundException") => self.create_table().await?,
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(CallError::malformed(
                    "DescribeTable",
                    "active table in time",
                ));
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn create_table(&self) -> Result<(), CallError> {
        const ACTION: &str = "CreateTable";
        let incomplete = |_| CallError::malformed(ACTION, "key");
        let key = KeySchemaElement::builder()
            .attribute_name(names::LEASE_KEY)
            .key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder()
            .attribute_name(names::LEASE_KEY)
            .attribute_type(ScalarAttributeType::S);
        let call = self
            .client
            .create_table()
            .table_name(&self.name)
            .key_schema(key.build().map_err(incomplete)?)
            .attribute_definitions(attribute.build().map_err(incomplete)?)
            .billing_mode(BillingMode::PayPerRequest);
        match within(ACTION, CALL_TIMEOUT, call.send()).await {
            // Another worker was first.
            Err(error) if !error.is("ResourceInUseException") => Err(error),
            _ => Ok(()),
        }
    }

    /// All leases.
    pub(crate) async fn scan(&self) -> Result<Vec<Lease>, CallError> {
        const ACTION: &str = "Scan";
        let mut leases = Vec::new();
        let mut from: Option<Item> = None;
        for _ in 0..PAGES_MAX {
            let call = self
                .client
                .scan()
                .table_name(&self.name)
                .consistent_read(true)
                .set_exclusive_start_key(from);
            let page = within(ACTION, CALL_TIMEOUT, call.send()).await?;
            leases.extend(page.items.iter().flatten().filter_map(item::read));
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(leases);
            }
        }
        Err(CallError::malformed(ACTION, "last page"))
    }

    /// Makes a lease; one that is there already stays as it is.
    pub(crate) async fn create(&self, lease: &Lease) -> Result<(), CallError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item::write(lease)))
            .condition_expression("attribute_not_exists(leaseKey)");
        match within("PutItem", CALL_TIMEOUT, call.send()).await {
            Err(error) if !error.is("ConditionalCheckFailedException") => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes a lease out of the table, unless somebody wrote it since.
    pub(crate) async fn delete(&self, lease: &Lease) -> Result<(), CallError> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(names::LEASE_KEY, text(&lease.key))
            .condition_expression("leaseCounter = :seen")
            .expression_attribute_values(":seen", number(lease.counter));
        match within("DeleteItem", CALL_TIMEOUT, call.send()).await {
            Err(error) if !error.is("ConditionalCheckFailedException") => Err(error),
            _ => Ok(()),
        }
    }

    /// Changes a lease that is as it was seen: [`Change::Take`] whoever has it, every other change only if this worker has it.
    pub(crate) async fn write(
        &self,
        seen: &Lease,
        change: &Change,
        timeout: Duration,
    ) -> Result<Lease, WriteError> {
        const ACTION: &str = "UpdateItem";
        let next = change.apply(seen, &self.worker);
        let update = Update::of(seen, &next, change, &self.worker);
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(names::LEASE_KEY, text(&seen.key))
            .update_expression(update.expression)
            .condition_expression(update.condition)
            .set_expression_attribute_values(Some(update.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let answer = tokio::time::timeout(timeout, call.send()).await;
        let error = match answer {
            Ok(Ok(_)) => return Ok(next),
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(WriteError::Failed(CallError {
                    action: ACTION,
                    code: "Timeout".to_owned(),
                    message: format!("no answer within {timeout:?}"),
                    may_pass: true,
                }));
            }
        };
        let told = CallError::of(ACTION, &error);
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        else {
            return Err(WriteError::Failed(told));
        };
        let now = failed.item().and_then(item::read).map(Box::new);
        Err(WriteError::Lost(now))
    }
}

/// The words of an UpdateItem.
#[derive(Debug)]
struct Update {
    expression: String,
    condition: &'static str,
    values: Item,
}

impl Update {
    fn of(seen: &Lease, next: &Lease, change: &Change, worker: &str) -> Self {
        let mut set = vec!["leaseCounter = :next"];
        let mut remove = "";
        let mut values = Item::from([
            (":seen".to_owned(), number(seen.counter)),
            (":next".to_owned(), number(next.counter)),
        ]);
        let mut value = |name: &str, value: AttributeValue| {
            values.insert(name.to_owned(), value);
        };
        match change {
            Change::Take => {
                set.extend([
                    "leaseOwner = :me",
                    "ownerSwitchesSinceCheckpoint = :switches",
                ]);
                value(":me", text(worker));
                value(":switches", number(next.owner_switches));
            }
            Change::Renew => {}
            Change::Release => remove = " REMOVE leaseOwner",
            Change::Checkpoint(_) | Change::End(_) => {
                set.extend([
                    "checkpoint = :checkpoint",
                    "checkpointSubSequenceNumber = :sub",
                    "ownerSwitchesSinceCheckpoint = :switches",
                ]);
                value(":checkpoint", text(next.checkpoint.word()));
                value(":sub", number(next.checkpoint.sub_sequence_number()));
                value(":switches", number(0));
            }
        }
        if let Change::End(children) = change {
            remove = " REMOVE leaseOwner";
            if !children.is_empty() {
                set.push("childShardIds = :children");
                value(":children", AttributeValue::Ss(children.clone()));
            }
        }
        let condition = match (change, &seen.owner) {
            (Change::Take, None) => "leaseCounter = :seen AND attribute_not_exists(leaseOwner)",
            (_, owner) => {
                // Of a lease that is taken the one who had it, else this worker.
                let holder = match (change, owner) {
                    (Change::Take, Some(owner)) => owner,
                    _ => worker,
                };
                value(":holder", text(holder));
                "leaseCounter = :seen AND leaseOwner = :holder"
            }
        };
        Self {
            expression: format!("SET {}{remove}", set.join(", ")),
            condition,
            values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Checkpoint;
    use crate::shards::tests::even;

    fn lease(owner: Option<&str>) -> Lease {
        Lease {
            owner: owner.map(str::to_owned),
            counter: 7,
            ..Lease::new(&even(1)[0], Checkpoint::TrimHorizon)
        }
    }

    fn update(seen: &Lease, change: &Change) -> Update {
        Update::of(seen, &change.apply(seen, "me"), change, "me")
    }

    #[test]
    fn every_change_is_on_what_was_seen_and_raises_the_counter() {
        let changes = [
            Change::Take,
            Change::Renew,
            Change::Checkpoint(Checkpoint::Latest),
            Change::End(vec!["child".to_owned()]),
            Change::Release,
        ];
        for change in changes {
            let update = update(&lease(Some("other")), &change);
            assert!(
                update
                    .condition
                    .starts_with("leaseCounter = :seen AND leaseOwner")
            );
            assert_eq!(update.values[":seen"], number(7));
            assert_eq!(update.values[":next"], number(8));
            let holder = if change == Change::Take {
                "other"
            } else {
                "me"
            };
            assert_eq!(update.values[":holder"], text(holder), "{change:?}");
            // A value that no expression names is refused by the service.
            for name in update.values.keys() {
                let words = format!("{} {}", update.expression, update.condition);
                assert!(words.contains(name.as_str()), "{name} in {words}");
            }
        }
    }

    #[test]
    fn a_lease_of_nobody_is_taken_from_nobody() {
        let update = update(&lease(None), &Change::Take);
        assert_eq!(
            update.condition,
            "leaseCounter = :seen AND attribute_not_exists(leaseOwner)"
        );
        assert_eq!(update.values[":switches"], number(1));
    }

    #[test]
    fn the_end_of_a_shard_names_its_children_and_frees_the_lease() {
        let end = update(
            &lease(Some("me")),
            &Change::End(vec!["a".to_owned(), "b".to_owned()]),
        );
        assert!(
            end.expression
                .ends_with("childShardIds = :children REMOVE leaseOwner")
        );
        assert_eq!(end.values[":checkpoint"], text("SHARD_END"));
    }
}
