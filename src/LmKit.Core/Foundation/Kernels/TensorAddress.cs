using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Where a tensor's first element lies, storage offset included.</summary>
/// <remarks>One native call; of the accessors that TorchSharp shows one forgets the offset and the others cost far more.</remarks>
internal static partial class TensorAddress
{
    internal static nint Of(Tensor tensor) => Data(tensor.Handle);

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    private static partial nint Data(nint tensor);
}
