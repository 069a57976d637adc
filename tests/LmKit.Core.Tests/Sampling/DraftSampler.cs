using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Gives the same versions behind every prompt, whatever it is asked.</summary>
internal sealed class DraftSampler(bool isAppendOnly, long[][] versions) : ISampler
{
    internal int Given { get; private set; }

    public bool IsAppendOnly => isAppendOnly;

    public IEnumerable<Tensor> Sample(SampleRequest request)
    {
        foreach (var version in versions)
        {
            Given++;
            long[][] rows = [.. HostValues.Read(request.Prompt).Chunk((int)request.Prompt.size(1)).Select(row => (long[])[.. row, .. version])];
            yield return tensor(rows.SelectMany(row => row).ToArray(), [rows.Length, rows[0].Length]).DetachFromDisposeScope();
        }
    }
}
