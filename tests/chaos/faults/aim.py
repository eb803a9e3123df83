"""Aiming a fault at the leader of a partition: that of the FIFO queue, or the catalog."""

CATALOG = 0


class AtLeader:
    """Mixed into a fault: its node is, when it begins, the leader of the partition that the seed chose."""

    def draw(self, source):
        super().draw(source)
        self.of_catalog = source.random() < 0.25

    def describe(self):
        return f"leader of {'the catalog' if self.of_catalog else 'the FIFO queue'} for {self.hold_s:.1f} s"

    def inject(self):
        partition = CATALOG if self.of_catalog else self.world.fifo_partition
        if partition is not None and (leader := self.world.leader_of(partition)):
            self.number = leader.number
        self.notes.append(f"it was n{self.number}")
        super().inject()
