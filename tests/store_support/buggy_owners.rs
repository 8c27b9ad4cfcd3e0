//! The half of the buggy store that keeps owners.

use super::*;

#[async_trait]
impl OwnershipStore for Buggy {
    fn is_shared(&self) -> bool {
        self.bug == Bug::SharedAtTimes && self.number.is_multiple_of(2)
    }

    async fn ownership(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
    ) -> Result<Option<Ownership>, Error> {
        let record = self.read(scope, partition).await?;
        Ok(self.told(record))
    }

    async fn ownerships(
        &self,
        scope: &ConsumerScope,
    ) -> Result<Vec<(PartitionId, Ownership)>, Error> {
        match self.reach() {
            Err(_) if self.bug == Bug::CutOffIsNothing => return Ok(Vec::new()),
            reached => reached?,
        }
        self.lock().await;
        let (of, _) = self.key(scope, PartitionId::new(0));
        let records = self.shared.records();
        let mut listed = Vec::new();
        for ((scope, number), record) in records.iter() {
            let is_forgotten = self.bug == Bug::ListForgetsReleased && record.owner.is_none();
            if is_forgotten || (*scope != of && self.bug != Bug::ListsAllScopes) {
                continue;
            }
            if record.is_damaged && self.bug == Bug::ListIsHeldUpByDamage {
                return refused(ErrorKind::CorruptCheckpoint);
            }
            let told = self.told(record.clone());
            listed.extend(told.map(|told| (PartitionId::new(*number), told)));
        }
        Ok(listed)
    }

    async fn claim_if(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
        seen: Option<&Ownership>,
    ) -> Result<Option<Ownership>, Error> {
        let (this, owner, seen) = (self.clone(), owner.to_owned(), seen.cloned());
        if !(1..=1024).contains(&owner.len()) && self.bug != Bug::NoNames {
            return refused(ErrorKind::InvalidOptions);
        }
        let work = move |record: &mut Record| {
            let now = this.told(record.clone());
            let version = |ownership: &Option<Ownership>| {
                let seen = ownership.as_ref()?;
                Some(match this.bug {
                    Bug::SeenByGeneration => seen.generation.to_string(),
                    _ => seen.version.clone(),
                })
            };
            let is_seen = match this.bug {
                Bug::ClaimsWhateverWasSeen => true,
                Bug::NobodySeenIsAnything if seen.is_none() => true,
                _ => version(&seen) == version(&now),
            };
            if !is_seen {
                return refused(ErrorKind::Fenced);
            }
            if this.bug != Bug::SeenClaimKeepsGeneration {
                record.claimed += 1;
            }
            record.owner = Some(owner);
            record.touch();
            Ok(())
        };
        let is_halved = self.bug == Bug::SeenClaimsReadThenWrite;
        self.lease(scope, partition, is_halved, Box::new(work))
            .await
    }

    async fn renew(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        held: &Ownership,
    ) -> Result<Option<Ownership>, Error> {
        let (this, held) = (self.clone(), held.clone());
        let work = move |record: &mut Record| {
            let is_owner = record.owner.is_some() && record.owner == held.owner;
            let is_claim = record.claimed == held.generation;
            let is_held = match this.bug {
                Bug::RenewalOfAnyone => record.claimed > 0,
                Bug::RenewalOfOwnersOlderClaim => is_owner,
                Bug::RenewalOfReleased => is_claim && (is_owner || record.owner.is_none()),
                Bug::RenewalNeedsVersion => is_owner && held.version == record.version.to_string(),
                _ => is_owner && is_claim,
            };
            if !is_held {
                return refused(ErrorKind::Fenced);
            }
            let before = record.clone();
            record.owner = held.owner;
            record.touch();
            match this.bug {
                Bug::RenewalRaisesGeneration => record.claimed += 1,
                Bug::RenewalKeepsVersion => record.version = before.version,
                Bug::RenewalKeepsAge => record.touched = before.touched,
                _ => {}
            }
            Ok(())
        };
        let is_halved = self.bug == Bug::RenewalsReadThenWrite;
        self.lease(scope, partition, is_halved, Box::new(work))
            .await
    }

    async fn claim(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        owner: &str,
    ) -> Result<u64, Error> {
        let (bug, mut owner) = (self.bug, owner.to_owned());
        if !(1..=1024).contains(&owner.len()) && bug != Bug::NoNames {
            return refused(ErrorKind::InvalidOptions);
        }
        if bug == Bug::NamesLowered {
            owner = owner.to_lowercase();
        }
        let claimed = move |record: &mut Record| {
            let is_his = record.owner.as_ref() == Some(&owner);
            if !(is_his && bug == Bug::OneGenerationPerOwner) {
                record.claimed += 1;
            }
            if bug == Bug::ClaimsFence {
                record.fence = record.claimed;
            }
            record.owner = Some(owner);
            record.touch();
            Ok(())
        };
        let record = self.change(scope, partition, Box::new(claimed)).await?;
        Ok(record.claimed)
    }

    async fn release(
        &self,
        scope: &ConsumerScope,
        partition: PartitionId,
        generation: u64,
    ) -> Result<(), Error> {
        let bug = self.bug;
        let released = move |record: &mut Record| {
            let is_his = generation == record.claimed || bug == Bug::ReleaseByAnyone;
            if is_his && record.owner.take().is_some() {
                match bug {
                    Bug::ReleaseTakesGenerationBack => record.claimed -= 1,
                    Bug::ReleaseKeepsVersion => return Ok(()),
                    _ => {}
                }
                record.touch();
            }
            Ok(())
        };
        self.change(scope, partition, Box::new(released)).await?;
        Ok(())
    }
}
