//! The processor of the Python SDK and our consumer share a hub by one container.

mod sharing;

use eventhubs_interop::Sdk;

const THEM: Sdk = Sdk::Python;

#[tokio::test]
async fn each_goes_on_where_the_other_has_left() {
    sharing::each_goes_on_where_the_other_has_left(THEM).await;
}

#[tokio::test]
async fn a_partition_is_taken_from_them_and_they_read_the_other() {
    sharing::a_partition_is_taken_from_them_and_they_read_the_other(THEM).await;
}

#[tokio::test]
async fn what_we_have_only_claimed_starts_where_they_say() {
    sharing::what_we_have_only_claimed_starts_where_they_say(THEM).await;
}

#[tokio::test]
async fn the_partitions_are_shared_by_both_processors() {
    sharing::the_partitions_are_shared_by_both_processors(THEM).await;
}
