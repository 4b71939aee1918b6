"""Checks that a policy's memory does what it says, for policies of ours and for those of users.

    from rlmem.testing import check_memory

    report = check_memory(policy)
    print(report)
    assert report.passed

A policy of your own needs four methods (`MemoryPolicy`); this recurrent one, in plain PyTorch, passes:

    class GRUPolicy(nn.Module):
        def __init__(self, observation_space, num_actions, width=32):
            super().__init__()
            self.observation_space = observation_space
            self.encoder = nn.Linear(observation_space.shape[0], width)
            self.memory = nn.GRUCell(width, width)
            self.heads = nn.Linear(width, num_actions + 1)

        def initial_state(self, batch):
            return torch.zeros(batch, self.memory.hidden_size)

        def act(self, observation, state, is_first):
            state = self.memory(torch.tanh(self.encoder(observation)), state * ~is_first[:, None])
            scores = self.heads(state)
            return scores[:, :-1], scores[:, -1], state

        def window(self, observation, state, is_first):
            steps = []
            for time in range(is_first.shape[1]):
                *step, state = self.act(observation[:, time], state, is_first[:, time])
                steps.append(step)
            outputs, values = (torch.stack(part, dim=1) for part in zip(*steps))
            return outputs, values, state.detach()

        def bootstrap(self, observation, state):
            return self.act(observation, state, torch.zeros(len(state), dtype=torch.bool))[1]

On the command line: `rlmem check RUN`, or `rlmem check my_module:make_policy`.
"""

from __future__ import annotations

from rlmem.testing.check import check_memory as check_memory
from rlmem.testing.protocol import MemoryPolicy as MemoryPolicy
from rlmem.testing.report import MemoryReport as MemoryReport
from rlmem.testing.report import PropertyResult as PropertyResult
from rlmem.testing.report import Where as Where
