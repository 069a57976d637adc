using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the header of a safetensors file says about one tensor.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="ScalarType">The element type.</param>
/// <param name="Shape">The size of each axis; empty for a scalar.</param>
/// <param name="Start">Where its bytes start, counted from the end of the header.</param>
/// <param name="ByteCount">How many bytes it has.</param>
public sealed record SafetensorsEntry(string Name, ScalarType ScalarType, IReadOnlyList<long> Shape, long Start, long ByteCount);
