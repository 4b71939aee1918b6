# mypy: allow-untyped-calls
"""A kernel's machine code holds all that it calls, so that it is the same in the process that compiles it and after.

Numba's libraries share what they call by name: a process that has just compiled it runs the copy that was optimised on
its own, one that finds the kernel in the cache the copy that was optimised within it, whose sums may be taken in
another order. A run and its resumption would differ in their last bits. Here all run the latter.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from llvmlite.binding import Linkage  # type: ignore[import-untyped]
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.typed_passes import AnnotateTypes


class _Library(JITCodeLibrary):
    def _optimize_final_module(self) -> None:
        """All but what the function itself is called by becomes this library's own first.

        By another name too, for the engine looks names up among what is internal as well, and an internal function may
        take its arguments otherwise. Numba's runtime, which has no arithmetic, stays as its passes know it.
        """
        own = uuid4().hex  # other processes' libraries may come from the cache beside this one
        for function in self._final_module.functions:
            is_shared = not function.is_declaration and function.linkage != Linkage.external
            if is_shared and not function.name.startswith("NRT_"):
                function.linkage = Linkage.internal
                function.name = f"{function.name}.{own}"
        super()._optimize_final_module()


@register_pass(mutates_CFG=False, analysis_only=True)
class _MakeLibrary(LoweringPass):
    """Before a function is lowered, for Numba would then make a library of its own kind."""

    _name = "rlmem_make_library"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Returns whether the function was changed."""
        state.library = _Library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return False


class SelfContainedCompiler(CompilerBase):
    """Numba's own pipeline, but for the library."""

    def define_pipelines(self) -> list[Any]:
        """The one pipeline."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.add_pass_after(_MakeLibrary, AnnotateTypes)
        manager.finalize()
        return [manager]
