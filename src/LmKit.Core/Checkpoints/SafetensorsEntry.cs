using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the header of a safetensors file says about one tensor.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="ScalarType">The element type; -1, which is no member of the enumeration, where <see cref="IsReadable"/> is false.</param>
/// <param name="Shape">The size of each axis; empty for a scalar.</param>
/// <param name="Start">Where its bytes start, counted from the end of the header.</param>
/// <param name="ByteCount">How many bytes it has.</param>
public sealed record SafetensorsEntry(string Name, ScalarType ScalarType, IReadOnlyList<long> Shape, long Start, long ByteCount)
{
    private readonly string? dtype;

    /// <summary>The element type in the format's words, such as <c>F32</c> or <c>F8_E4M3</c>.</summary>
    public string Dtype
    {
        get => dtype ?? SafetensorsTypes.Name(ScalarType) ?? ScalarType.ToString();
        init => dtype = value;
    }

    /// <summary>Whether the element type is one that is computed on, so that the tensor can be read.</summary>
    public bool IsReadable => SafetensorsTypes.Name(ScalarType) is not null;
}
