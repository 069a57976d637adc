using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Writes down what a reader returned, so that two readings can be compared.</summary>
internal sealed class Digest
{
    private readonly StringBuilder text = new();

    /// <summary>A short name of a text, the same for the same text.</summary>
    internal static string Of(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.Unicode.GetBytes(text)).AsSpan(0, 12));

    internal Digest Add(string name, object? value)
    {
        text.Append(CultureInfo.InvariantCulture, $"{name}={value}\n");
        return this;
    }

    internal Digest Add(IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        foreach (var (name, tensor) in tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            Add(name, tensor);
        return this;
    }

    internal Digest Add(string name, Tensor tensor)
    {
        using var whole = tensor.detach().cpu().contiguous();
        var hash = whole.numel() == 0 ? "" : Convert.ToHexStringLower(SHA256.HashData(whole.bytes).AsSpan(0, 8));
        return Add(name, $"{whole.dtype} ({string.Join(", ", whole.shape)}) {hash}");
    }

    internal Digest Add(nn.Module module) => Add(module.state_dict());

    public override string ToString() => text.ToString();
}
