using static TorchSharp.torch;

namespace LmKit;

/// <summary>The element types of safetensors files with their sizes: those of ours, and those that only others compute on.</summary>
internal static class SafetensorsTypes
{
    /// <summary>Stands in an entry for a type that is not computed on.</summary>
    internal const ScalarType None = (ScalarType)(-1);

    private static readonly (string Name, ScalarType Type, int Size)[] Known =
    [
        ("F64", ScalarType.Float64, 8),
        ("F32", ScalarType.Float32, 4),
        ("F16", ScalarType.Float16, 2),
        ("BF16", ScalarType.BFloat16, 2),
        ("I64", ScalarType.Int64, 8),
        ("I32", ScalarType.Int32, 4),
        ("I16", ScalarType.Int16, 2),
        ("I8", ScalarType.Int8, 1),
        ("U8", ScalarType.Byte, 1),
        ("BOOL", ScalarType.Bool, 1),
    ];

    internal static string Names => string.Join(", ", Known.Select(row => row.Name));

    internal static ScalarType? Parse(string name)
    {
        var at = Array.FindIndex(Known, row => row.Name == name);
        return at < 0 ? null : Known[at].Type;
    }

    internal static string? Name(ScalarType type) => Array.Find(Known, row => row.Type == type).Name;

    internal static int Size(ScalarType type) => Array.Find(Known, row => row.Type == type).Size;

    /// <summary>Bits of one element of a type by its name, or null for a type that nobody has told us of.</summary>
    internal static int? Bits(string name) => name switch
    {
        "C64" or "U64" => 64,
        "U32" => 32,
        "U16" => 16,
        "F8_E4M3" or "F8_E5M2" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => 8,
        "F6_E2M3" or "F6_E3M2" => 6,
        "F4" => 4,
        _ => Array.Find(Known, row => row.Name == name) is { Name: not null } known ? known.Size * 8 : null,
    };
}
