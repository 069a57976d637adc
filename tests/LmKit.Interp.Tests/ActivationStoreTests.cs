using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class ActivationStoreTests
{
    private static readonly ActivationStoreInfo info = new("toy", "layers.0.resid_post", 2, ShardRows: 4);

    [Fact]
    public void A_killed_writer_goes_on_and_every_row_is_there_once()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using (var writer = new ActivationStoreWriter(folder.Path, info))
            writer.Append(Rows(0, 10)); // killed with 2 rows that fill no shard
        File.WriteAllText(folder["shard-000002.safetensors"], "torn by a kill before the manifest knew it");
        using (var writer = new ActivationStoreWriter(folder.Path, info))
        {
            Assert.Equal(8, writer.StoredCount);
            writer.Append(Rows(8, 3));
            writer.Append(Rows(11, 2));
            writer.Complete();
            Assert.Equal(13, writer.StoredCount);
        }
        using var store = new ActivationStore(folder.Path, seed: 3);
        var read = store.Next(13).select(1, 0).to(ScalarType.Int64).data<long>().ToArray();

        Assert.Equal(Enumerable.Range(0, 13).Select(row => (long)row), read.Order());
        Assert.NotEqual(Enumerable.Range(0, 13).Select(row => (long)row), read);
    }

    [Fact]
    public void An_order_resumes_at_any_position_and_differs_by_epoch_and_seed()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using (var writer = new ActivationStoreWriter(folder.Path, info))
        {
            writer.Append(Rows(0, 13));
            writer.Complete();
        }
        using var whole = new ActivationStore(folder.Path, seed: 3);
        var rows = whole.Next(40);
        using var resumed = new ActivationStore(folder.Path, seed: 3) { Position = 17 };
        Close.Check("resumed", rows.narrow(0, 17, 23), resumed.Next(23));
        using var other = new ActivationStore(folder.Path, seed: 4);

        Assert.True((other.Next(13) - rows.narrow(0, 0, 13)).abs().max().item<float>() > 0);
        Assert.True((rows.narrow(0, 13, 13) - rows.narrow(0, 0, 13)).abs().max().item<float>() > 0);
    }

    [Fact]
    public void A_torn_shard_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using (var writer = new ActivationStoreWriter(folder.Path, info))
            writer.Append(Rows(0, 4));
        using (var stream = File.OpenWrite(folder["shard-000000.safetensors"]))
        {
            stream.Seek(-3, SeekOrigin.End);
            stream.WriteByte(0x7F);
        }
        using var store = new ActivationStore(folder.Path);

        Assert.Contains("shard-000000", Assert.Throws<ActivationStoreException>(() => store.Next(1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_stores_writers_and_rows_are_refused()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        Assert.Throws<ActivationStoreException>(() => new ActivationStore(folder.Path));
        using (var writer = new ActivationStoreWriter(folder.Path, info))
        {
            Assert.Contains("another writer", Assert.Throws<ActivationStoreException>(() => new ActivationStoreWriter(folder.Path, info)).Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(() => writer.Append(zeros([1, 3])));
            Assert.Contains("row 1", Assert.Throws<ArgumentException>(() => writer.Append(tensor(new[] { 0, 1, float.NaN, 1 }).reshape(2, 2))).Message, StringComparison.Ordinal);
            writer.Append(Rows(0, 4));
        }
        Assert.Contains("other", Assert.Throws<ActivationStoreException>(() => new ActivationStoreWriter(folder.Path, info with { ModelId = "other" })).Message, StringComparison.Ordinal);
        File.WriteAllText(folder["manifest.json"], "{ torn");
        Assert.Throws<ActivationStoreException>(() => new ActivationStore(folder.Path));
        File.WriteAllText(folder["manifest.json"], """{"Info":{"ModelId":"toy","HookName":"x","ModelDim":2,"ShardRows":4},"Shards":[{"File":"../x","RowCount":4,"Sha256":""}]}""");
        Assert.Throws<ActivationStoreException>(() => new ActivationStore(folder.Path));
    }

    private static Tensor Rows(int start, int count) => arange(start, start + count, ScalarType.Float32).unsqueeze(1).expand(count, 2).contiguous();

    [Theory]
    [InlineData(ActivationPrecision.Half, 1e-3)]
    [InlineData(ActivationPrecision.BrainHalf, 8e-3)]
    public void Half_precision_rows_keep_their_tokens_in_every_order(ActivationPrecision precision, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var random = new Generator(1);
        var (activations, tokens) = (randn([3, 7, 4], generator: random), randint(0, 50, [3, 7], ScalarType.Int64, generator: random));
        var info = new ActivationStoreInfo("toy", "layers.0.resid_post", 4, ShardRows: 8, precision, HasTokens: true);
        using (var writer = new ActivationStoreWriter(folder.Path, info))
        {
            using var rows = ActivationRows.Of(activations, tokens, firstSequence: 100);
            writer.Append(rows);
            Assert.Throws<ArgumentException>(() => writer.Append(rows.Values));
            writer.Complete();
        }
        using var store = new ActivationStore(folder.Path, seed: 5);
        using var served = store.NextRows(21);
        var (sequences, positions) = (served.Sequences!.to(ScalarType.Int64) - 100, served.Positions!.to(ScalarType.Int64));
        Assert.Equal(21, (sequences * 7 + positions).unique().output.numel());
        var flat = sequences * 7 + positions;
        Assert.Equal(ScalarType.Float32, served.Values.dtype);
        Close.Check("values", activations.reshape(21, 4).index_select(0, flat), served.Values, absolute: tolerance, relative: tolerance);
        Assert.True(tokens.reshape(-1).index_select(0, flat).eq(served.Tokens!).all().item<bool>());
    }

    [Fact]
    public void A_value_that_half_precision_cannot_hold_is_refused()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var writer = new ActivationStoreWriter(folder.Path, new ActivationStoreInfo("toy", "point", 2, Precision: ActivationPrecision.Half));
        Assert.Contains("65504", Assert.Throws<ArgumentException>(() => writer.Append(full([1, 2], 1e5))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shard_that_cannot_be_read_moves_no_position()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using (var writer = new ActivationStoreWriter(folder.Path, info))
            writer.Append(Rows(0, 8));
        foreach (var shard in (string[])["shard-000000.safetensors", "shard-000001.safetensors"])
        {
            File.Move(folder[shard], folder["away"]);
            using var store = new ActivationStore(folder.Path, seed: 3);
            Assert.Throws<ActivationStoreException>(() => store.Next(8));
            Assert.Equal(0, store.Position);
            File.Move(folder["away"], folder[shard]);
            Assert.Equal(8, store.Next(8).select(1, 0).unique().output.numel());
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Rows_of_an_append_that_failed_can_be_appended_again(int blocked)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using (var writer = new ActivationStoreWriter(folder.Path, info))
        {
            writer.Append(Rows(0, 2));
            var shard = Directory.CreateDirectory(folder[$"shard-00000{blocked}.safetensors"]); // no file can stand there
            Assert.ThrowsAny<SystemException>(() => writer.Append(Rows(2, 9)));
            Assert.Equal(0, writer.StoredCount);
            shard.Delete();
            writer.Append(Rows(2, 9));
            writer.Complete();
            Assert.Equal(11, writer.StoredCount);
        }
        using var store = new ActivationStore(folder.Path);
        Assert.Equal(Enumerable.Range(0, 11).Select(row => (float)row), store.Next(11).select(1, 0).contiguous().data<float>().ToArray().Order());
    }
}
