"""The paper's language-model tasks: their data, their training and their reports, on the core that the agents use."""
