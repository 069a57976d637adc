using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>libtorch's count of the writes into a tensor: every operation in place moves it, an optimizer's step and loading included.</summary>
/// <remarks>TorchSharp does not show it, so it is asked of libtorch itself. Not seen are writes that go past libtorch, into
/// a tensor's memory; LmKit's own call <see cref="Move"/>. Thread-safe.</remarks>
internal static unsafe class ParameterVersion
{
    private static readonly delegate* unmanaged[SuppressGCTransition]<nint, long> Version;
    private static readonly delegate* unmanaged[SuppressGCTransition]<nint, byte> IsInference;

    static ParameterVersion()
    {
        LibTorch.EnsureLoaded();
        if (!NativeLibrary.TryLoad("torch_cpu", typeof(torch).Assembly, null, out var library))
            return;
        // at::TensorBase::_version() const and at::native::is_inference(at::Tensor const&), as each system's compiler spells them.
        var (version, isInference) = OperatingSystem.IsWindows()
            ? ("?_version@TensorBase@at@@QEBA_JXZ", "?is_inference@native@at@@YA_NAEBVTensor@2@@Z")
            : ("_ZNK2at10TensorBase8_versionEv", "_ZN2at6native12is_inferenceERKNS_6TensorE");
        if (!NativeLibrary.TryGetExport(library, version, out var first) || !NativeLibrary.TryGetExport(library, isInference, out var second))
            return;
        Version = (delegate* unmanaged[SuppressGCTransition]<nint, long>)first;
        IsInference = (delegate* unmanaged[SuppressGCTransition]<nint, byte>)second;
    }

    /// <summary>Whether this libtorch can be asked.</summary>
    internal static bool IsKnown => Version is not null;

    /// <summary>Whether writes into the tensor are counted: not those into one that was made in inference mode.</summary>
    internal static bool IsCounted(Tensor tensor)
    {
        var isCounted = IsKnown && IsInference(tensor.Handle) == 0; // libtorch ends the process over the version of the other kind
        GC.KeepAlive(tensor);
        return isCounted;
    }

    /// <summary>The count, or -1 where writes are not counted.</summary>
    internal static long Of(Tensor tensor)
    {
        if (!IsCounted(tensor))
            return -1;
        var version = Version(tensor.Handle);
        GC.KeepAlive(tensor);
        return version;
    }

    /// <summary>Counts a write that went past libtorch.</summary>
    internal static void Move(Tensor tensor)
    {
        if (!IsCounted(tensor))
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        _ = tensor.detach().unsqueeze(0).narrow(0, 0, 0).zero_(); // writes nothing
    }
}
