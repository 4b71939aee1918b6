"""Vector environments of anything: in turn or in processes, failures named, no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from minigrid.wrappers import FullyObsWrapper, ViewSizeWrapper

import rlmem  # noqa: F401  registers the environments
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.minigrid_words import MiniGridWords
from rlmem.envs.vectorise import make_vector_env, vectorise
from rlmem.envs.workers import EnvironmentFailedError, WorkerVectorEnv, describe_exit
from rlmem.errors import UsageError

# A module as users write them, found by workers as theirs are. The environment whose seed is 11 fails in step 2.
MODULE = """
import os
import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__("100% broken")
        self.function = lambda: None


class FailingEnv(gym.Env):
    observation_space = spaces.Dict({"x": spaces.Box(-1, 1, (2,), np.float32), "n": spaces.Discrete(9)})
    action_space = spaces.Discrete(3, start=1)

    def __init__(self, fault="none", render_mode=None):
        self.fault = fault
        if fault == "make":
            raise KeyError("no such level")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.fails, self.steps = seed == 11, 0
        if self.fails and self.fault == "reset":
            raise RuntimeError("no level left")
        return self.observe(), {}

    def observe(self, value=0.5):
        return {"x": np.full(2, value, dtype=np.float32), "n": np.int64(self.steps)}

    def step(self, action):
        self.steps += 1
        fault = self.fault if self.fails and self.steps == 2 else "none"
        if fault == "raise":
            raise Unpicklable(1, 2)
        if fault == "exit":
            os._exit(7)
        if fault == "leave":
            raise SystemExit("bye")
        if fault == "shape":
            return {"x": np.zeros(3, dtype=np.float32), "n": 0}, 0.0, False, False, {}
        observation = self.observe(np.nan if fault in ("nan", "final") else 0.5)
        return observation, np.inf if fault == "reward" else 1.0, fault == "final", False, {}


gym.register("Failing-v0", entry_point="failing_envs:FailingEnv", disable_env_checker=True)
"""


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of the failing environment, its module importable here and in workers."""
    (tmp_path / "failing_envs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "failing_envs:Failing-v0"
    gym.registry.pop("Failing-v0", None)
    sys.modules.pop("failing_envs", None)


def play(envs: Any, num_steps: int) -> list[Any]:
    """Reset with seeds 10, 11 and so on; then play actions of the space."""
    envs.action_space.seed(0)
    return [envs.reset(seed=10), *(envs.step(envs.action_space.sample()) for _ in range(num_steps))]


def assert_equal(ours: Any, theirs: Any) -> None:
    """Compare what environments return: tuples, dictionaries and arrays, with their types."""
    assert type(ours) is type(theirs)
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs)
        for name, value in theirs.items():
            assert_equal(ours[name], value)
    elif isinstance(theirs, (tuple, list)) or (isinstance(theirs, np.ndarray) and theirs.dtype == object):
        for mine, other in zip(ours, theirs, strict=True):
            assert_equal(mine, other)
    else:
        assert np.array_equal(ours, theirs)


def workers_of(envs: Any) -> WorkerVectorEnv:
    assert isinstance(envs.env, WorkerVectorEnv)
    return envs.env


@pytest.mark.parametrize(
    ("env_id", "keywords"),
    [("CartPole-v1", {}), ("MiniGrid-GoToObject-6x6-N2-v0", {"max_steps": 5}), ("Pendulum-v1", {})],
)
def test_equal_to_gymnasiums_own(env_id: str, keywords: dict[str, Any]) -> None:
    def make() -> gym.Env[Any, Any]:
        env = gym.make(env_id, **keywords)
        return MiniGridWords(env) if "MiniGrid" in env_id else env

    plain = SyncVectorEnv([make] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    theirs = play(plain, 60)
    for envs in (vectorise(env_id, 3, **keywords), vectorise(make, 3)):
        assert envs.single_observation_space == plain.single_observation_space
        assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        assert_equal(play(envs, 60), theirs)
    mask = np.array([True, False, True])
    options = {"reset_mask": mask}
    ours = envs.reset(seed=[5, None, 7], options=options)[0]
    assert_equal(ours, plain.reset(seed=[5, None, 7], options=dict(options))[0])
    assert list(options) == ["reset_mask"]


def test_processes_equal_turns(failing: str) -> None:
    keywords: dict[str, Any] = {"max_steps": 4}
    in_turn = vectorise("MiniGrid-GoToObject-6x6-N2-v0", 2, **keywords)
    side_by_side = vectorise("MiniGrid-GoToObject-6x6-N2-v0", 2, vectorization="async", **keywords)
    ours, theirs = play(side_by_side, 10), play(in_turn, 10)
    assert any("final_obs" in step[-1] for step in ours[1:])
    assert_equal(ours, theirs)
    mask = {"reset_mask": np.array([False, True])}
    assert_equal(side_by_side.reset(seed=[3, 4], options=mask)[0], in_turn.reset(seed=[3, 4], options=mask)[0])
    with pytest.raises(UsageError, match="got the actions"):
        side_by_side.step([0, 7])
    for process in workers_of(side_by_side).processes:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)  # as Ctrl-C does to the whole group; it is the main process's affair
        assert os.getpgid(process.pid) != os.getpgid(0), "SIGTERM to the whole group is the main process's affair too"
    assert_equal(side_by_side.step([0, 1]), in_turn.step([0, 1]))
    side_by_side.close()
    assert [process.exitcode for process in workers_of(side_by_side).processes] == [0, 0]
    side_by_side.close()
    with pytest.raises(ClosedEnvironmentError):
        side_by_side.step([0, 1])


FAULTS = {
    "raise": r"environment 1 failed in step 2: Unpicklable: 100% broken \(failing_envs.py, line \d+\); the last check",
    "leave": r"environment 1 failed in step 2: SystemExit: bye",
    "shape": r"environment 1 failed in step 2: ValueError: the observation\['x'\] has shape \(3,\), but .* \(2,\)",
    "nan": r"environment 1 returned NaN or infinity in its observation\['x'\] in step 2",
    "final": r"environment 1 returned NaN or infinity in its final observation\['x'\] in step 2",
    "reward": r"environment 1 returned NaN or infinity in its reward in step 2",
    "reset": r"environment 1 failed in reset, after 0 steps: RuntimeError: no level left",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failures_name_the_environment(failing: str, fault: str) -> None:
    envs = vectorise(failing, 3, fault=fault)
    with pytest.raises(EnvironmentFailedError, match=FAULTS[fault]) as caught:
        play(envs, 2)
    assert envs.closed
    if fault == "raise":
        assert "raise Unpicklable(1, 2)" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raise", FAULTS["raise"]),
        ("exit", r"environment 1 died \(its process ended with exit code 7\) in step 2; the last checkpoint stands"),
    ],
)
def test_failures_in_processes(failing: str, fault: str, message: str) -> None:
    envs = vectorise(failing, 2, vectorization="async", fault=fault)
    with pytest.raises(EnvironmentFailedError, match=message):
        play(envs, 2)
    assert envs.closed
    assert not any(process.is_alive() for process in workers_of(envs).processes)


def test_closing_after_a_kill_and_after_an_interrupt(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = vectorise(failing, 2, vectorization="async")
    play(killed, 1)
    workers_of(killed).processes[0].kill()
    killed.close()
    assert not any(process.is_alive() for process in workers_of(killed).processes)

    interrupted = vectorise(failing, 2, vectorization="async")
    play(interrupted, 1)
    workers = workers_of(interrupted)

    def interrupt(pipe: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(workers.parent_pipes[0]), "recv", interrupt)
        with pytest.raises(KeyboardInterrupt):
            interrupted.step([1, 1])
    interrupted.close()
    assert not any(process.is_alive() for process in workers.processes)


def test_a_script_without_main_guard_ends_with_a_hint(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from rlmem.envs.vectorise import vectorise\nvectorise('CartPole-v1', 1, vectorization='async')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, str(script)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert finished.returncode == 1
    assert "environment 0 died (its process ended with exit code 1) while it was made" in finished.stderr
    assert "if __name__ == '__main__':" in finished.stderr


def test_exit_codes_for_people() -> None:
    assert describe_exit(-9) == "its process was killed by SIGKILL, as when memory runs out"
    assert describe_exit(-15) == "its process was killed by SIGTERM"
    assert describe_exit(-200) == "its process was killed by signal 200"


def test_wrong_arguments(failing: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be made with the keywords .*no such level"):
        vectorise(failing, 1, fault="make")
    with pytest.raises(UsageError, match=r"cannot be made with the keywords {'colour': 3} .*unexpected keyword"):
        vectorise("CartPole-v1", 1, colour=3)
    with pytest.raises(UsageError, match="unexpected keyword"):
        make_vector_env("rlmem/Corridor-v0", 1, colour=3)
    with pytest.raises(UsageError, match="CartPole-v1"):
        vectorise("CartPole-v9", 1)
    with pytest.raises(UsageError, match="CartPole-v1"):
        make_vector_env("CartPole-v9", 1)
    with pytest.raises(UsageError, match="at least one environment"):
        vectorise("CartPole-v1", 0)
    with pytest.raises(UsageError, match="pass 'sync' or 'async'"):
        vectorise("CartPole-v1", 1, vectorization="threads")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(UsageError, match="beside a function"):
        vectorise(lambda: gym.make("CartPole-v1"), 1, colour=3)
    sizes = iter([5, 7])
    with pytest.raises(UsageError, match="side by side"):
        vectorise(lambda: ViewSizeWrapper(gym.make("MiniGrid-Empty-5x5-v0"), next(sizes)), 2)


def test_misuse_changes_nothing(failing: str) -> None:
    envs = vectorise(failing, 2)
    with pytest.raises(ResetNeeded):
        envs.step([1, 1])
    with pytest.raises(ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(UsageError, match="3 seeds for 2 environments"):
        envs.reset(seed=[1, 2, 3])
    envs.reset(seed=0)
    for actions in ([0, 1], [1, 4], [1.0, 2.0], [1], 1):
        with pytest.raises(UsageError, match="each of the 2 environments takes one action of Discrete"):
            envs.step(actions)
    assert envs.step(np.array([1, 3], dtype=np.uint8))[0]["n"].tolist() == [1, 1]


def test_continuous_actions() -> None:
    envs = vectorise("Pendulum-v1", 2)
    envs.reset(seed=0)
    envs.step([[0.5], [-2.0]])
    for actions in ([[0.5], [2.5]], [[0.5], [np.nan]], [0.5, 0.5]):
        with pytest.raises(UsageError, match="takes one action of Box"):
            envs.step(actions)


def test_the_fitting_kind_is_made() -> None:
    assert isinstance(make_vector_env("rlmem/Corridor-v0", 2, max_length=9), VectorCorridorEnv)
    assert isinstance(make_vector_env("rlmem:rlmem/Corridor-v0", 2).unwrapped, VectorCorridorEnv)
    wrapped = make_vector_env("rlmem/Corridor-v0", 2, wrappers=[gym.wrappers.FlattenObservation])
    assert isinstance(wrapped.unwrapped, SyncVectorEnv)
    cartpole = make_vector_env("CartPole-v1", 2)  # its own batch version resets in the next step
    assert cartpole.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_minigrid_comes_in_words() -> None:
    full = make_vector_env("MiniGrid-Empty-5x5-v0", 2, wrappers=[FullyObsWrapper])
    assert full.single_observation_space.shape == (5, 5, 23)
    assert vectorise(lambda: gym.make("MiniGrid-Empty-5x5-v0"), 2).observation_space.shape == (2, 7, 7, 23)
