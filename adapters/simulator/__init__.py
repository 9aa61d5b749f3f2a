"""The virtual depot: piles and vehicles with a truth that the engine does not see."""
