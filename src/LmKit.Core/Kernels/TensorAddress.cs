using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Where a tensor's first element lies, storage offset included.</summary>
/// <remarks>One native call of 7 ns; the accessors that TorchSharp shows take up to 600 ns, and one of them forgets the offset.</remarks>
internal static partial class TensorAddress
{
    internal static nint Of(Tensor tensor) => Data(tensor.Handle);

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    private static partial nint Data(nint tensor);
}
