"""The intermediate representation: SSA over structured regions."""
