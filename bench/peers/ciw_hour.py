"""The hour in Ciw: one node with as many servers as there are slots and no room to wait.

Ciw is not in the project's environment, because its wheel brings a package named ``tests``; see
requirements.in beside this file.
"""

import ciw

from bench.peers.loss_plan import Hour


def play(hour: Hour, slots: int, seed: int) -> tuple[int, int]:
    """Calls lost and calls offered after the warm-up."""
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(hour.erlangs / hour.hold_s)],
        service_distributions=[ciw.dists.Exponential(1 / hour.hold_s)],
        number_of_servers=[slots],
        queue_capacities=[0],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(hour.duration_s)
    records = simulation.get_all_records(only=["service", "rejection"])
    counted = [each for each in records if each.arrival_date >= hour.warm_up_s]
    lost = sum(each.record_type == "rejection" for each in counted)
    # Calls still held at the end have no record yet.
    held = sum(each.arrival_date >= hour.warm_up_s for each in simulation.nodes[1].all_individuals)
    return lost, len(counted) + held
