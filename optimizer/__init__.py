"""From risk to plan: facts, formulation, solving, certifying, explaining."""
