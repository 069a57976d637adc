namespace LmKit.Core.Tests;

// Options of a row are listed by hand where they are named, handed on and laid over a sampler's own: each list has all of them.
public class RowOptionTests
{
    public static TheoryData<string> Names => [.. typeof(SampleOptions).GetProperties().Select(property => property.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_option_is_named_for_what_a_sampler_may_refuse(string name) =>
        Assert.Equal([name], With(name).Named().Select(named => named.Name));

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_option_of_a_text_reaches_its_sampler_or_its_reader(string name)
    {
        var options = With(name);

        Assert.Equal(Value(name, options), Value(name, options.Under(null)));
        if (name != nameof(SampleOptions.StopTokens)) // the reader ends the text there
            Assert.Equal(Value(name, options), Value(name, options.Draws()!));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_option_that_a_sampler_has_too_is_laid_over_its_own(string name)
    {
        if (name is nameof(SampleOptions.StopTokens) or nameof(SampleOptions.Filters))
            return; // added to the sampler's own by its plan
        var (own, row) = (new AutoregressiveSamplerOptions(), With(name));
        var over = own.Over(row, vocabSize: 10);

        Assert.Equal(Value(name, row), typeof(AutoregressiveSamplerOptions).GetProperty(name)!.GetValue(over));
        Assert.False(own.DrawsAs(over));
    }

    private static object? Value(string name, SampleOptions options) => typeof(SampleOptions).GetProperty(name)!.GetValue(options);

    private static GenerationOptions With(string name)
    {
        var options = new GenerationOptions();
        var property = typeof(SampleOptions).GetProperty(name)!;
        property.SetValue(options, property.PropertyType switch
        {
            var type when type == typeof(double?) => 0.5,
            var type when type == typeof(int?) => 3,
            var type when type == typeof(IReadOnlyList<long>) => new long[] { 1 },
            _ => new LogitFilter[] { (logits, _, _) => logits },
        });
        return options;
    }
}
