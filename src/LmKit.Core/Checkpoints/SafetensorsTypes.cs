using static TorchSharp.torch;

namespace LmKit;

/// <summary>The element types that a safetensors file of ours may hold, with their names in the file and sizes.</summary>
internal static class SafetensorsTypes
{
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

    public static string Names => string.Join(", ", Known.Select(row => row.Name));

    public static ScalarType? Parse(string name)
    {
        var at = Array.FindIndex(Known, row => row.Name == name);
        return at < 0 ? null : Known[at].Type;
    }

    public static string? Name(ScalarType type) => Array.Find(Known, row => row.Type == type).Name;

    public static int Size(ScalarType type) => Array.Find(Known, row => row.Type == type).Size;
}
