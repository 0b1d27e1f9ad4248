"""The CRM's people and companies: users, accounts, leads; who owns whom; erasing a person."""
