using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class TensorCheckTests
{
    [Fact]
    public void Axes_of_one_name_are_equal()
    {
        using var x = zeros(2, 3, 4);
        using var ids = zeros([2, 3], ScalarType.Int64);
        using var other = zeros([2, 5], ScalarType.Int64);
        var check = new TensorCheck("Thing");
        check.Floating(x, "x", "B L D");
        check.Integers(ids, "ids", "B L");
        Assert.Equal(4, check["D"]);
        var error = Refused(() =>
        {
            var again = new TensorCheck("Thing");
            again.Floating(x, "x", "B L D");
            again.Integers(other, "ids", "B L");
        });
        Assert.Equal("Thing takes ids (B, L) of Int64 with B = 2, L = 3; got Int64 (2, 5). (Parameter 'ids')", error.Message);
    }

    [Theory]
    [InlineData("B L", false)]
    [InlineData("B L D E", false)]
    [InlineData("... D", true)]
    [InlineData("...", true)]
    [InlineData("... A B L D", false)]
    [InlineData("2 3 4", true)]
    [InlineData("2 3 5", false)]
    [InlineData("_ 3 _", true)]
    [InlineData("B L B", false)]
    public void A_shape_is_read_as_it_is_written(string shape, bool fits)
    {
        using var x = zeros(2, 3, 4);
        var error = Record.Exception(() => new TensorCheck("Thing").Floating(x, "x", shape));
        Assert.Equal(fits, error is null);
        Assert.True(error is null or ArgumentException);
    }

    [Fact]
    public void Types_devices_and_disposed_tensors_are_refused()
    {
        using var single = zeros(2);
        using var twice = zeros([2], ScalarType.Float64);
        using var complex = zeros([2], ScalarType.ComplexFloat32);
        using var meta = empty(2, device: META);
        var dead = zeros(2);
        dead.Dispose();
        Assert.Contains("real floating-point", Refused(() => new TensorCheck("Thing").Floating(complex, "x", "N")).Message, StringComparison.Ordinal);
        Assert.Contains("Float64", Refused(() => Both(single, twice)).Message, StringComparison.Ordinal);
        Assert.Contains("meta", Refused(() => Both(single, meta)).Message, StringComparison.Ordinal);
        Assert.Throws<ObjectDisposedException>(() => new TensorCheck("Thing").Any(dead, "x", "..."));
        Assert.Throws<ArgumentNullException>("x", () => new TensorCheck("Thing").Any(null!, "x", "..."));
        Assert.Contains("Bool", Refused(() => new TensorCheck("Thing").Truths(single, "x", "N")).Message, StringComparison.Ordinal);

        static void Both(Tensor first, Tensor second)
        {
            var check = new TensorCheck("Thing");
            check.Floating(first, "first", "N");
            check.Floating(second, "second", "N");
        }
    }

    private static ArgumentException Refused(Action call) => Assert.ThrowsAny<ArgumentException>(call);
}
